import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { NEVER, observed, openedCapture, outboxOf } from './dictionary-capture-support.ts';
import { interruptedAfter, STEPS } from './dictionary-interrupted-support.ts';
import { dictionaryFile, legacyAgent } from './dictionary-support.ts';

/** Two generations of entries, of which the log has confirmed some of each, and an agent with fields of its own. */
async function withHalfDrainedOutbox(t: TestContext) {
  const file = dictionaryFile(t, { a: legacyAgent('a') });
  const first = await observed(t, file);
  for (const id of ['b', 'c', 'd']) await first.set(id, legacyAgent(id, { friends: ['a'] }));
  await first.close();
  const second = await observed(t, file, { compactOnClose: false });
  await second.capture.write([{ kind: 'agent', key: 'e', entity: null, eventId: 'event e' }]);
  await second.set('b', { ...second.get('b'), hat: { colour: 'red' } });
  await second.delete('a');
  const all = await outboxOf(second.capture);
  const drain = await second.capture.claim();
  await drain?.next({ limit: 100, waitMs: 0, signal: NEVER });
  const gone = all.filter((_, at) => at === 0 || at === 3 || at === all.length - 1);
  await drain?.discard(gone.map(({ id }) => id));
  await drain?.close();
  const agents = Object.fromEntries(second);
  await second.close();
  return { file, agents, left: all.filter((entry) => !gone.includes(entry)) };
}

describe('a compaction that is interrupted with entries in the outbox', () => {
  for (const [done, last] of [[0, 'nothing'] as const, ...STEPS.map((name, at) => [at + 1, name] as const)]) {
    it(`after ${last}: answers each of them once, to a relay beside it and behind the next owner`, async (t) => {
      const { file, agents, left } = await withHalfDrainedOutbox(t);
      await interruptedAfter(file, done);

      const relay = await openedCapture(t, file);
      assert.deepEqual(await outboxOf(relay.capture), left);
      const status = await relay.capture.status();
      assert.deepEqual([status.entries, status.oldestUs], [left.length, left[0]?.change.capturedAt]);
      // It goes on where it is while the journal is replaced under it.
      const drain = await relay.capture.claim();
      assert.ok(drain !== undefined);
      const some = await drain.next({ limit: 2, waitMs: 0, signal: NEVER });

      const next = await observed(t, file, { compactOnClose: true });
      assert.deepEqual(Object.fromEntries(next), agents);
      const repeated = await next.capture.write([
        { kind: 'agent', key: 'e', entity: null, eventId: 'event e' },
      ]);
      assert.equal(repeated[0]?.status, 'repeated');
      await next.set('f', {});
      await next.close();

      const rest = await drain.next({ limit: 100, waitMs: 0, signal: NEVER });
      const entries = [...some.entries, ...rest.entries];
      assert.deepEqual(entries.slice(0, -1), left);
      assert.equal(entries.at(-1)?.change.key, 'f');
      await drain.discard(entries.slice(0, 2).map(({ id }) => id));
      drain.restart();
      assert.deepEqual(
        (await drain.next({ limit: 100, waitMs: 0, signal: NEVER })).entries,
        entries.slice(2),
      );
      await drain.close();
    });
  }
});
