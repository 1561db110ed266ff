import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { watchOutbox } from '../../producers/relay/watch-outbox.ts';
import { MemoryCapture } from '../support/memory-capture.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { fill, listeningLogger, until } from './relay-support.ts';

function watch(outbox: MemoryOutbox) {
  const logger = listeningLogger();
  const stop = new AbortController();
  let looks = 0;
  const service = watchOutbox({
    store: 'legacy.memory',
    capture: new MemoryCapture(outbox),
    clock: systemClock,
    logger,
    everyMs: 1,
    onStatus: () => {
      looks += 1;
    },
  });
  const ended = service.run(stop.signal);
  return {
    said: () =>
      logger.said.map(({ level, message }) => `${level} ${/half|nearly|uncaptured|look/.exec(message)?.[0]}`),
    /** Until it has looked several times at how things are now. */
    seen: async () => {
      const before = looks;
      await until(() => looks >= before + 4);
    },
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

const empty = (outbox: MemoryOutbox, entries: number): void => {
  outbox.remove(outbox.items.slice(0, entries).flatMap((item) => ('entry' in item ? [item.entry.id] : [])));
};

describe('the alarm of an outbox', () => {
  it('is raised once at half of its bound and once at 90 %, again only when it was over', async () => {
    const outbox = new MemoryOutbox({ maxEntries: 100 });
    const watching = watch(outbox);
    await fill(outbox, 49);
    await watching.seen();
    assert.deepEqual(watching.said(), []);
    await fill(outbox, 1);
    await watching.seen();
    assert.deepEqual(watching.said(), ['warn half']);
    await fill(outbox, 40);
    await watching.seen();
    empty(outbox, 2);
    await watching.seen();
    await fill(outbox, 2);
    await watching.seen();
    assert.deepEqual(watching.said(), ['warn half', 'error nearly']);
    empty(outbox, 85);
    await watching.seen();
    await fill(outbox, 50);
    await watching.seen();
    assert.deepEqual(watching.said(), ['warn half', 'error nearly', 'warn half']);
    await watching.stop();
  });

  it('is raised once when writes went uncaptured, and again when it happens again', async () => {
    const outbox = new MemoryOutbox({ maxEntries: 1_000 });
    const watching = watch(outbox);
    outbox.lostSinceUs = 1_790_000_000_000_000;
    await watching.seen();
    assert.deepEqual(watching.said(), ['error uncaptured']);
    outbox.lostSinceUs = null;
    await watching.seen();
    outbox.lostSinceUs = 1_800_000_000_000_000;
    await watching.seen();
    assert.deepEqual(watching.said(), ['error uncaptured', 'error uncaptured']);
    await watching.stop();
  });

  it('goes on when the outbox could not be looked at, and says so once', async () => {
    const outbox = new MemoryOutbox({ maxEntries: 10 });
    let failures = 0;
    outbox.before = () => {
      failures += 1;
      throw new Error('no answer');
    };
    const watching = watch(outbox);
    await until(() => failures > 3);
    outbox.before = () => {};
    await fill(outbox, 6);
    await watching.seen();
    assert.deepEqual(watching.said(), ['warn look', 'warn half']);
    await watching.stop();
  });
});
