import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { rejected, type Sink } from '../../connectors/connector.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import { NO_PROGRESS, type PipelineProgress, progressed } from '../../consumers/progress.ts';
import { type Refuse, stopAtRefusal } from '../../consumers/refused.ts';
import { type RetryPassingOptions, retryPassing } from '../../consumers/retry-passing.ts';
import { skipEcho } from '../../consumers/skip-echo.ts';
import type { Stage } from '../../consumers/stage.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { type Log, lagOf } from '../../log/log.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import type { Change } from '../../schemas/change.ts';
import { plainState, removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { following, openTestLog, testCodec } from '../support/memory-log.ts';
import { MemoryStore } from '../support/memory-store.ts';

const GROUP = 'test.store';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

interface Running {
  readonly progress: () => PipelineProgress;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

function start(
  log: Log,
  sink: Sink,
  stages: readonly Stage[] = [],
  clock: Clock = systemClock,
  refuse: Refuse = stopAtRefusal('store'),
): Running {
  const stop = new AbortController();
  let progress = NO_PROGRESS;
  const pipeline = createPipeline({
    store: 'store',
    group: GROUP,
    sink,
    log,
    codec: testCodec,
    clock,
    logger: silentLogger,
    stages: [...stages, skipEcho('store')],
    refuse,
    onBatch: (batch) => {
      progress = progressed(progress, batch);
    },
    maxBatchChanges: 50,
  });
  const ended = pipeline.run(stop.signal);
  ended.catch(() => {});
  return {
    progress: () => progress,
    ended,
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

/** Offers again without a pause. */
function retrying(options: Partial<RetryPassingOptions> = {}): Stage {
  return retryPassing({
    store: 'store',
    clock: { ...systemClock, sleep: async () => {} },
    logger: silentLogger,
    onRetry: () => {},
    onBreaker: () => {},
    ...options,
  });
}

async function lag(log: Log): Promise<number> {
  return (await log.positions(['agent'], GROUP)).reduce((sum, position) => sum + lagOf(position), 0);
}

async function until(reached: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await reached()) return;
    await sleep(10);
  }
  assert.fail('it did not come to that');
}

async function publish(log: Log, changes: readonly Change[]): Promise<void> {
  const publisher = await log.publisher();
  await publisher.publish(changes);
  await publisher.close();
}

const agents = (count: number, variant = 0, store = 'elsewhere'): readonly Change[] =>
  Array.from({ length: count }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `a${index}`, variant }), 1_000 + variant, { store }),
  );

describe('the pipeline', () => {
  it('applies everything, commits it, and counts what became of it', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    await publish(log, [...agents(120), ...agents(120, 1), removal('agent', 'a7', 5_000)]);
    const running = start(log, store.sink);
    await until(async () => (await lag(log)) === 0);
    await running.stop();
    const { received, applied, stale } = running.progress();
    assert.equal(received, 241);
    assert.equal(applied + stale, 241);
    const [gone, there] = await store.source.get('agent', ['a7', 'a8']);
    assert.deepEqual(plainState(gone), { version: 5_000, entity: null });
    assert.equal(there?.version, 1_001);
  });

  it('commits nothing that the store has not confirmed', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    let hold: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      hold = resolve;
    });
    const slow: Sink = { ...store.sink, apply: (changes) => held.then(() => store.sink.apply(changes)) };
    await publish(log, agents(10));
    const running = start(log, slow);
    await sleep(100);
    assert.equal(await lag(log), 10);
    hold();
    await until(async () => (await lag(log)) === 0);
    await running.stop();
  });

  it('applies the next batch while the last one is being committed, and ends only when that has been', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const commit = Promise.withResolvers<void>();
    const slow = following(log, (subscription) => ({
      commit: (batch) => commit.promise.then(() => subscription.commit(batch)),
    }));
    await publish(log, agents(120));
    const running = start(slow, store.sink);
    await until(() => running.progress().received === 120);
    assert.ok(running.progress().batches > 1);
    assert.equal(await lag(log), 120);
    const stopped = running.stop();
    commit.resolve();
    await stopped;
    assert.equal(await lag(log), 0);
  });

  it('fails where a commit does', async () => {
    const log = await openTestLog();
    const failing = following(log, () => ({
      commit: async () => {
        throw new ChangeoverError('unreachable', 'no commit');
      },
    }));
    await publish(log, agents(3));
    await assert.rejects(start(failing, new MemoryStore().sink).ended, /no commit/);
  });

  it('delivers again what a store took but did not confirm, and the store ends the same', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const forgetful: Sink = {
      ...store.sink,
      apply: async (changes) => {
        await store.sink.apply(changes);
        throw new ChangeoverError('unreachable', 'the answer was lost');
      },
    };
    await publish(log, agents(30));
    const first = start(log, forgetful);
    await assert.rejects(first.ended, /the answer was lost/);
    assert.equal(await lag(log), 30);
    const second = start(log, store.sink);
    await until(async () => (await lag(log)) === 0);
    await second.stop();
    assert.equal(second.progress().stale, 30);
    assert.equal(await store.source.count('agent'), 30);
  });

  it('stops on a change that the store refuses, naming it, and commits nothing after it', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const picky: Sink = {
      ...store.sink,
      apply: async (changes) => {
        const outcomes = await store.sink.apply(changes);
        return outcomes.map((outcome, index) =>
          changes[index]?.key === 'a3' ? rejected('too odd') : outcome,
        );
      },
    };
    await publish(log, agents(5));
    const running = start(log, picky);
    await assert.rejects(running.ended, {
      code: 'change-rejected',
      message: /store refuses agent a3 \(partition \d, offset \d\): too odd/,
    });
    assert.equal(await lag(log), 5);
  });

  it('stops on bytes that are no change', async () => {
    const log = await openTestLog();
    await publish(log, agents(1));
    const running = createPipeline({
      store: 'store',
      group: GROUP,
      sink: new MemoryStore().sink,
      log,
      codec: { ...testCodec, decode: () => assert.fail('unreadable') },
      clock: systemClock,
      logger: silentLogger,
      stages: [],
      refuse: stopAtRefusal('store'),
      maxBatchChanges: 50,
    });
    await assert.rejects(
      running.run(new AbortController().signal),
      /agent a0 \(partition \d, offset 0\): unreadable/,
    );
    assert.equal(await lag(log), 1);
  });

  it('puts a batch aside whose partitions another member has by now', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    await publish(log, agents(10));
    const moved = following(log, () => ({ claim: () => undefined }));
    const running = start(moved, store.sink);
    await sleep(100);
    await running.stop();
    assert.equal(await store.source.count('agent'), 0);
    assert.equal(await lag(log), 10);
  });

  for (const what of ['its own echo', 'bytes that are no change']) {
    it(`commits nothing behind a batch that was put aside, not even ${what}`, async () => {
      const broker = new MemoryBroker();
      const log = await openTestLog(broker);
      await publish(log, agents(1));
      let asked = 0;
      const claimsNothing = following(log, () => ({
        claim: () => {
          asked += 1;
          return undefined;
        },
      }));
      const running = start(claimsNothing, new MemoryStore().sink, [], systemClock, async () => {});
      await until(() => asked === 1);
      if (what === 'its own echo') await publish(log, agents(1, 1, 'store'));
      else {
        const [place] = (await log.positions(['agent'])).filter(({ end }) => end === 1);
        const topic = broker.topics.get('test.agents');
        assert.ok(topic && place);
        const record = { key: Buffer.from('k'), value: Buffer.from('bad'), timestampMs: 1 };
        broker.append(topic, place.partition, record);
      }
      await until(() => asked === 2);
      await running.stop();
      assert.equal(await lag(log), 2);
    });
  }

  it('lets go of what it has dealt with, while it runs', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const offered: WeakRef<Change>[] = [];
    const watching: Sink = {
      ...store.sink,
      apply: (changes) => {
        offered.push(...changes.map((change) => new WeakRef(change)));
        return store.sink.apply(changes);
      },
    };
    const running = start(log, watching);
    for (let variant = 1; variant <= 20; variant++) {
      await publish(log, agents(10, variant));
      await until(async () => (await lag(log)) === 0);
    }
    collectGarbage();
    const held = offered.filter((change) => change.deref() !== undefined);
    // The store holds the newest of each key, and the last batch may still be in somebody's hands.
    assert.ok(held.length <= 20, `${held.length} of ${offered.length} changes are held`);
    await running.stop();
  });

  it('offers in one batch what has arrived while the store was busy, and waits for nothing when it is not', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const offered: number[] = [];
    const first = Promise.withResolvers<void>();
    const slow: Sink = {
      ...store.sink,
      apply: async (changes) => {
        offered.push(changes.length);
        if (offered.length === 1) await first.promise;
        return store.sink.apply(changes);
      },
    };
    const running = start(log, slow);
    await publish(log, agents(1));
    await until(() => offered.length === 1);
    for (let variant = 1; variant <= 4; variant++) {
      await publish(log, agents(10, variant));
      await sleep(5);
    }
    first.resolve();
    await until(async () => (await lag(log)) === 0);
    await running.stop();
    assert.deepEqual(offered, [1, 40]);
  });

  it('offers again, for as long as it takes, what a store refuses for a passing reason', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    let failures = 0;
    const states: string[] = [];
    const down: Sink = {
      ...store.sink,
      apply: async (changes) => {
        if (failures++ < 5) throw new ChangeoverError('unreachable', 'down');
        return store.sink.apply(changes);
      },
    };
    await publish(log, agents(10));
    const running = start(log, down, [retrying({ onBreaker: (state) => states.push(state) })]);
    await until(async () => (await lag(log)) === 0);
    await running.stop();
    assert.deepEqual(states, ['open', 'closed']);
    assert.equal(running.progress().applied, 10);
  });

  it('offers in smaller parts what took the store too long', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const offered: number[] = [];
    const slow: Sink = {
      ...store.sink,
      apply: async (changes) => {
        offered.push(changes.length);
        if (changes.length > 10) throw new ChangeoverError('timeout', 'too slow');
        return store.sink.apply(changes);
      },
    };
    await publish(log, agents(40));
    const running = start(log, slow, [retrying()]);
    await until(async () => (await lag(log)) === 0);
    await running.stop();
    assert.deepEqual(offered, [40, 20, 10, 10, 10, 10]);
    assert.equal(running.progress().applied, 40);
  });

  it('stops although the store is down, and leaves in the log what it was offered', async () => {
    const log = await openTestLog();
    const down: Sink = {
      ...new MemoryStore().sink,
      apply: async () => {
        throw new ChangeoverError('unreachable', 'down');
      },
    };
    await publish(log, agents(10));
    const running = start(log, down, [retrying({ clock: systemClock })]);
    await sleep(50);
    await running.stop();
    assert.equal(await lag(log), 10);
  });

  it('stops although the store never answers', async () => {
    const log = await openTestLog();
    const silent: Sink = { ...new MemoryStore().sink, apply: () => new Promise(() => {}) };
    await publish(log, agents(10));
    const running = start(log, silent, [], { ...systemClock, sleep: async () => {} });
    await sleep(50);
    await running.stop();
    assert.equal(await lag(log), 10);
  });

  it('has the store forget what it remembers when partitions have moved, and after a failure', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const happened: string[] = [];
    let fails = true;
    const remembering: Sink = {
      ...store.sink,
      forget: () => happened.push('forget'),
      apply: async (changes) => {
        happened.push('apply');
        if (fails) {
          fails = false;
          throw new ChangeoverError('unreachable', 'the answer was lost');
        }
        return store.sink.apply(changes);
      },
    };
    await publish(log, agents(3));
    const running = start(log, remembering, [retrying()]);
    await until(async () => (await lag(log)) === 0);
    const other = await log.subscribe({ group: GROUP, kinds: ['agent'] });
    await other.close();
    await publish(log, agents(3, 1));
    await until(async () => (await lag(log)) === 0);
    await running.stop();
    assert.deepEqual(happened, ['forget', 'apply', 'forget', 'apply', 'forget', 'apply']);
  });

  it('counts what is dealt with as refused, and goes on', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const picky: Sink = {
      ...store.sink,
      apply: async (changes) =>
        (await store.sink.apply(changes)).map((outcome, index) =>
          changes[index]?.key === 'a3' ? rejected('too odd') : outcome,
        ),
    };
    await publish(log, agents(5));
    const told: string[] = [];
    const running = start(log, picky, [], systemClock, async (refused) => {
      for (const each of refused) told.push(`${each.class} ${each.record.key}: ${each.reason}`);
    });
    await until(async () => (await lag(log)) === 0);
    await running.stop();
    assert.deepEqual(told, ['rejected a3: too odd']);
    const { received, applied, stale, refused } = running.progress();
    assert.deepEqual([received, applied, stale, refused], [5, 4, 0, 1]);
  });

  it('does not ask the store about its own echo', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    await publish(log, [...agents(20, 0, 'store'), ...agents(25, 1, 'elsewhere')]);
    const running = start(log, store.sink);
    await until(async () => (await lag(log)) === 0);
    await running.stop();
    assert.deepEqual([running.progress().applied, running.progress().stale], [25, 20]);
  });

  it('finishes the batch that is under way when it is stopped', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const slow: Sink = { ...store.sink, apply: (changes) => sleep(80).then(() => store.sink.apply(changes)) };
    await publish(log, agents(10));
    const running = start(log, slow);
    await sleep(30);
    await running.stop();
    assert.equal(await lag(log), 10 - (await store.source.count('agent')));
    assert.equal(await store.source.count('agent'), 10);
  });
});
