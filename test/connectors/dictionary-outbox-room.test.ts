import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Capture } from '../../connectors/capture.ts';
import { agentWrite, observed, openedCapture, outboxOf } from './dictionary-capture-support.ts';
import { agent, dictionaryFile } from './dictionary-support.ts';

const MAX_ENTRIES = 50;

const batch = (size: number, name: string) =>
  Array.from({ length: size }, (_, n) => agentWrite(agent(`${name} ${n}`)));

/** The relay has confirmed all of it, a little at a time, so that nobody had a reason to count anew. */
async function writtenAndDrained(capture: Capture): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await capture.write(batch(10, `round ${round}`));
    await outboxOf(capture, { discard: true });
  }
  assert.equal((await capture.status()).entries, 0);
}

for (const whenFull of ['refuse', 'drop'] as const) {
  describe(`the room in a dictionary’s outbox (${whenFull})`, () => {
    const outbox = { maxEntries: MAX_ENTRIES, whenFull };

    it('is there again for a batch when the relay has confirmed what was captured', async (t) => {
      const { capture } = await openedCapture(t, dictionaryFile(t, {}), { outbox });
      await writtenAndDrained(capture);
      for (let again = 0; again < 3; again++) {
        const results = await capture.write(batch(15, `batch ${again}`));
        assert.ok(results.every(({ status }) => status === 'written'));
        assert.equal((await outboxOf(capture, { discard: true })).length, 15, 'all of them are captured');
      }
      assert.equal((await capture.status()).lostSinceUs, null);
    });

    it('is there for a batch that comes together with others and meets the bound behind them', async (t) => {
      const { capture } = await openedCapture(t, dictionaryFile(t, {}), { outbox });
      await writtenAndDrained(capture);
      await Promise.all([8, 20, 22].map((size) => capture.write(batch(size, String(size)))));
      assert.equal((await outboxOf(capture)).length, MAX_ENTRIES, 'to the last place');
      const { entries, lostSinceUs } = await capture.status();
      assert.deepEqual([entries, lostSinceUs], [MAX_ENTRIES, null]);
    });

    it('is counted by what was planned, too: not an entry more than the bound', async (t) => {
      const { capture } = await openedCapture(t, dictionaryFile(t, {}), { outbox });
      await writtenAndDrained(capture);
      const settled = await Promise.allSettled(
        [30, 15, 10].map((size) => capture.write(batch(size, String(size)))),
      );
      const { entries, lostSinceUs } = await capture.status();
      if (whenFull === 'refuse') {
        assert.deepEqual(
          settled.map(({ status }) => status),
          ['fulfilled', 'fulfilled', 'rejected'],
        );
        assert.equal(entries, 45);
      } else {
        assert.equal(entries, MAX_ENTRIES);
        assert.ok(lostSinceUs !== null, 'the last five went uncaptured');
      }
    });
  });
}

describe('a dictionary’s full outbox', () => {
  it('is found by an update before its change is asked for, which is asked for once', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, {}), { outbox: { maxEntries: 2 } });
    let asked = 0;
    const change = () => ({ attributes: { asked: ++asked } });
    for (let round = 0; round < 3; round++) {
      await dictionary.update('a', change);
      await dictionary.update('a', change);
      await assert.rejects(dictionary.update('a', change), { code: 'outbox-full' });
      await outboxOf(dictionary.capture, { discard: true });
    }
    assert.equal(asked, 6);
  });
});
