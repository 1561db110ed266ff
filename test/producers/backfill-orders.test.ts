import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import type { Log } from '../../log/log.ts';
import { runBackfill } from '../../producers/backfill/backfill.ts';
import { orderPause, orderRate, readOrders, readReports } from '../../producers/backfill/orders.ts';
import type { BackfillState } from '../../producers/backfill/supervisor.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { changesIn, openTestLog } from '../support/memory-log.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { until } from '../support/until.ts';

async function sourceOf(agents: number) {
  const store = new MemoryStore();
  const changes = Array.from({ length: agents }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `a${String(index).padStart(4, '0')}` }), 5_000),
  );
  await store.sink.apply(changes);
  return store.source;
}

interface Running {
  readonly ended: Promise<{ readonly published: number }>;
  readonly published: () => number;
  readonly state: () => BackfillState | undefined;
}

async function start(log: Log, agents: number, ratePerSecond?: number): Promise<Running> {
  const source = await sourceOf(agents);
  let moved = 0;
  let state: BackfillState | undefined;
  const ended = runBackfill(
    {
      sources: [{ kind: 'agent', source, store: 'legacy.memory' }],
      log,
      clock: systemClock,
      writer: 'host:7',
      batchSize: 5,
      parallelism: 2,
      ratePerSecond,
      resume: 'unfinished',
      onPlan: () => {},
      onChunk: (_kind, published) => {
        moved += published;
      },
      onState: (told) => {
        state = told;
      },
    },
    new AbortController().signal,
  );
  return { ended, published: () => moved, state: () => state };
}

describe('a running backfill', () => {
  it('stands still within a second of an order, says so, and goes on where it was', async () => {
    const log = await openTestLog();
    const running = await start(log, 200, 100);
    await until(() => running.published() >= 20, 2_000);
    await orderPause(log.control, true);
    await until(() => running.state()?.state === 'paused', 1_000);
    await sleep(50);
    const published = running.published();
    await sleep(300);
    assert.equal(running.published(), published);
    const [report] = await readReports(log.control);
    assert.deepEqual([report?.process, report?.state, report?.generation], ['host:7', 'paused', 1]);
    assert.deepEqual(report?.remarks, ['paused by the operator']);
    await orderRate(log.control, 100_000);
    await orderPause(log.control, false);
    assert.equal((await running.ended).published, 200);
    assert.equal((await changesIn(log)).length, 200, 'each of them once');
    assert.deepEqual(await readReports(log.control), [], 'it has taken its report back');
  });

  it('that is started while paused publishes nothing until it may', async () => {
    const log = await openTestLog();
    await orderPause(log.control, true);
    const running = await start(log, 20);
    await sleep(300);
    assert.equal(running.published(), 0);
    assert.equal(running.state()?.state, 'paused');
    await orderPause(log.control, false);
    assert.equal((await running.ended).published, 20);
  });

  it('goes at the rate that was ordered rather than at its own, until there is none', async () => {
    const log = await openTestLog();
    await orderRate(log.control, 20);
    const running = await start(log, 200, 1_000_000);
    await sleep(1_000);
    assert.ok(running.published() <= 40, `${running.published()} at 20 a second`);
    assert.deepEqual(running.state()?.remarks, ['held to 20/s by the operator']);
    assert.ok(running.state()?.reasons.has('rate'));
    await orderRate(log.control, null);
    await until(() => running.published() === 200, 1_500);
    await running.ended;
    assert.deepEqual(await readOrders(log.control), { paused: false, perSecond: null });
  });

  it('is stopped while it is paused', async () => {
    const log = await openTestLog();
    await orderPause(log.control, true);
    const source = await sourceOf(20);
    const stop = new AbortController();
    const ended = runBackfill(
      {
        sources: [{ kind: 'agent', source, store: 'legacy.memory' }],
        log,
        clock: systemClock,
        writer: 'host:8',
        batchSize: 5,
        parallelism: 2,
        resume: 'unfinished',
        onPlan: () => setTimeout(() => stop.abort(), 100),
        onChunk: () => {},
      },
      stop.signal,
    );
    await assert.rejects(ended, { name: 'AbortError' });
  });
});
