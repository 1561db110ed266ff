import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ScanChunk, Source } from '../../connectors/connector.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import { type BackfillOptions, type BackfillResult, runBackfill } from '../../producers/backfill/backfill.ts';
import { writeRun } from '../../producers/backfill/facts.ts';
import { orderRate, readReports } from '../../producers/backfill/orders.ts';
import { readRun } from '../../producers/backfill/plan.ts';
import type { BackfillState } from '../../producers/backfill/supervisor.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { rangesBetween, type ScanRange } from '../../schemas/scan-order.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { changesIn, openTestLog } from '../support/memory-log.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { until as untilWithin } from '../support/until.ts';

/** One process of several: its way to a log that they share. */
interface Running {
  readonly ended: Promise<BackfillResult>;
  readonly stop: () => void;
  published: number;
  resumed: boolean | undefined;
  state: BackfillState | undefined;
}

async function storeOf(agents: number): Promise<MemoryStore> {
  const store = new MemoryStore();
  const changes = Array.from({ length: agents }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `a${String(index).padStart(4, '0')}` }), 5_000),
  );
  await store.sink.apply(changes);
  return store;
}

async function start(
  broker: MemoryBroker,
  source: Source,
  writer: string,
  options: Partial<BackfillOptions> = {},
): Promise<Running> {
  const stopping = new AbortController();
  const log = await openTestLog(broker);
  const running: Running = {
    ended: runBackfill(
      {
        sources: [{ kind: 'agent', source, store: 'legacy.memory' }],
        log,
        clock: systemClock,
        writer,
        batchSize: 5,
        parallelism: 2,
        shared: true,
        retryPolicy: { attempts: 2, initialDelayMs: 1 },
        resume: 'unfinished',
        onPlan: ({ resumed }) => {
          running.resumed = resumed;
        },
        onChunk: (_kind, published) => {
          running.published += published;
        },
        onState: (state) => {
          running.state = state;
        },
        ...options,
      },
      stopping.signal,
    ).finally(() => log.close()),
    stop: () => stopping.abort(),
    published: 0,
    resumed: undefined,
    state: undefined,
  };
  running.ended.catch(() => {});
  return running;
}

/** A source whose scans of what comes after a place fail for as long as `broken`. */
function brokenAfter(source: Source, key: string, state: { broken: boolean }): Source {
  return {
    ...source,
    async *scan<K extends Kind>(
      kind: K,
      range: ScanRange,
      options: { readonly limit: number },
    ): AsyncIterable<ScanChunk<K>> {
      for await (const chunk of source.scan(kind, range, options)) {
        if (state.broken && chunk.rows.some((row) => row.key.includes(key))) {
          throw new ChangeoverError('timeout', 'slow');
        }
        yield chunk;
      }
    },
  };
}

const until = (reached: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> =>
  untilWithin(reached, withinMs);

describe('a backfill of several processes', () => {
  it('is shared by those who are there, ends in all of them with the same answer, and moves everything once', async () => {
    const broker = new MemoryBroker();
    const { source } = await storeOf(240);
    const rate = { ratePerSecond: 400 };
    const one = await start(broker, source, 'host:1', rate);
    const other = await start(broker, source, 'host:2', rate);
    const [first, second] = await Promise.all([one.ended, other.ended]);
    assert.deepEqual({ ...first }, { generation: 1, published: 240, rejected: 0, holes: [] });
    assert.deepEqual(second, first);
    assert.ok(one.published > 40 && other.published > 40, `${one.published} and ${other.published}`);
    const changes = await changesIn(await openTestLog(broker));
    assert.equal(new Set(changes.map(({ key }) => key)).size, 240);
    const next = await start(broker, source, 'host:3');
    assert.equal((await next.ended).generation, 2, 'the run is done');
  });

  it('takes in who comes late, as part of the same run', async () => {
    const broker = new MemoryBroker();
    const { source } = await storeOf(240);
    const rate = { ratePerSecond: 300 };
    const first = await start(broker, source, 'host:1', rate);
    await until(() => first.published > 40);
    const late = await start(broker, source, 'host:2', rate);
    const results = await Promise.all([first.ended, late.ended]);
    assert.deepEqual(
      results.map(({ generation, published }) => [generation, published]),
      [
        [1, 240],
        [1, 240],
      ],
    );
    assert.deepEqual([first.resumed, late.resumed], [false, true]);
    assert.ok(late.published > 20, `${late.published}`);
    const labels = (await changesIn(await openTestLog(broker))).map(({ origin, eventId }) => [
      origin.path,
      eventId,
    ]);
    assert.equal(new Set(labels.map(([, id]) => id)).size, labels.length);
  });

  it('goes on with what a process had that is stopped, from where it wrote that it was', async () => {
    const broker = new MemoryBroker();
    const { source } = await storeOf(240);
    const rate = { ratePerSecond: 400 };
    const [stays, goes] = [
      await start(broker, source, 'host:1', rate),
      await start(broker, source, 'host:2', rate),
    ];
    await until(() => goes.published > 20);
    goes.stop();
    await assert.rejects(goes.ended, { name: 'AbortError' });
    assert.equal((await stays.ended).published, 240);
    const changes = await changesIn(await openTestLog(broker));
    assert.equal(new Set(changes.map(({ key }) => key)).size, 240);
    assert.ok(changes.length <= 240 + 20, `little twice, but ${changes.length} were published`);
  });

  it('moves everything although a planner that was stopped wakes and writes another plan over the one that is being moved', async () => {
    const broker = new MemoryBroker();
    const { source } = await storeOf(240);
    const first = await start(broker, source, 'host:1', { ratePerSecond: 400 });
    await until(() => first.published > 40);
    const log = await openTestLog(broker);
    const { run } = await readRun(log.control, 1);
    // As of fewer rows, so that the bounds are others under the same numbers; the last part has no end.
    const ranges = { agent: rangesBetween(['a0003', 'a0005', 'a0100'].map((id) => [id])) };
    await writeRun(log.control, { ...run, ranges });
    assert.equal((await first.ended).published, 240);
    const keys = new Set((await changesIn(log)).map(({ key }) => key));
    assert.equal(keys.size, 240);
    assert.equal((await readRun(log.control, 1)).run.ranges.agent?.length, 4);
  });

  it('refuses one that was to move other kinds, once nobody is just being forgotten', async () => {
    const broker = new MemoryBroker();
    const { source } = await storeOf(100);
    const first = await start(broker, source, 'host:1', { ratePerSecond: 50 });
    await until(() => first.published > 0);
    // Waiting for those who were killed takes a while, so by a clock of its own.
    let nowMs = 0;
    const clock = {
      ...systemClock,
      elapsedMs: () => nowMs,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
    };
    const sources = [{ kind: 'policy' as const, source, store: 'legacy.memory' }];
    const other = await start(broker, source, 'host:2', { sources, clock });
    await assert.rejects(other.ended, { code: 'conflict' });
    first.stop();
    await assert.rejects(first.ended, { name: 'AbortError' });
  });

  it('answers everybody with the same holes, and tries them again in the next attempt', async () => {
    const broker = new MemoryBroker();
    const store = await storeOf(120);
    const state = { broken: true };
    const source = brokenAfter(store.source, 'a0070', state);
    const rate = { ratePerSecond: 400 };
    const one = await start(broker, source, 'host:1', rate);
    const other = await start(broker, source, 'host:2', rate);
    const [first, second] = await Promise.all([one.ended, other.ended]);
    assert.deepEqual(first, second);
    assert.equal(first.holes.length, 1);
    assert.ok(first.published >= 110 && first.published < 120, `${first.published}`);
    state.broken = false;
    const again = await start(broker, source, 'host:3');
    assert.deepEqual({ ...(await again.ended) }, { generation: 1, published: 120, rejected: 0, holes: [] });
  });

  it('divides the rate that was ordered among those that have something to do', async () => {
    const broker = new MemoryBroker();
    const { source } = await storeOf(2_000);
    const log = await openTestLog(broker);
    await orderRate(log.control, 200);
    const both = [await start(broker, source, 'host:1'), await start(broker, source, 'host:2')];
    await until(() => both.every(({ state }) => state?.limitPerSecond === 100));
    assert.ok(both[0]?.state?.remarks.includes('the rate is shared by 2'));
    const before = both.reduce((sum, { published }) => sum + published, 0);
    await sleep(1_500);
    const moved = both.reduce((sum, { published }) => sum + published, 0) - before;
    assert.ok(moved > 200 && moved < 400, `${moved} in 1.5 s at 200 a second`);
    both[0]?.stop();
    await until(() => both[1]?.state?.limitPerSecond === 200);
    both[1]?.stop();
    await Promise.allSettled(both.map(({ ended }) => ended));
    assert.deepEqual(await readReports(log.control), []);
  });
});
