import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ScanChunk, Source } from '../../connectors/connector.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Log } from '../../log/log.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import { type BackfillOptions, type BackfillResult, runBackfill } from '../../producers/backfill/backfill.ts';
import { estimateBackfill } from '../../producers/backfill/estimate.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { changesIn, openTestLog } from '../support/memory-log.ts';
import { MemoryStore } from '../support/memory-store.ts';

async function storeOf(agents: number, version = 5_000): Promise<MemoryStore> {
  const store = new MemoryStore();
  const changes = Array.from({ length: agents }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `a${String(index).padStart(4, '0')}` }), version),
  );
  await store.sink.apply(changes);
  return store;
}

function backfill(
  log: Log,
  source: Source,
  options: Partial<BackfillOptions> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<BackfillResult> {
  const defaults: BackfillOptions = {
    sources: [{ kind: 'agent', source, store: 'legacy.memory' }],
    log,
    clock: systemClock,
    writer: 'test',
    batchSize: 10,
    parallelism: 3,
    retryPolicy: { attempts: 2, initialDelayMs: 1 },
    resume: 'unfinished',
    onPlan: () => {},
    onChunk: () => {},
  };
  return runBackfill({ ...defaults, ...options }, signal);
}

/** A source whose scan is the given one's until it has given out `chunks` chunks; then it throws. */
function failingAfter(
  source: Source,
  chunks: number,
  error: Error,
  times = Number.POSITIVE_INFINITY,
): Source {
  let given = 0;
  let failed = 0;
  return {
    ...source,
    async *scan<K extends Kind>(
      kind: K,
      range: ScanRange,
      options: { readonly limit: number },
    ): AsyncIterable<ScanChunk<K>> {
      for await (const chunk of source.scan(kind, range, options)) {
        if (given >= chunks && failed < times) {
          failed += 1;
          throw error;
        }
        given += 1;
        yield chunk;
      }
    },
  };
}

describe('a backfill', () => {
  it('publishes every entity once, as a read of its origin', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(95);
    const result = await backfill(log, source);
    assert.deepEqual({ ...result }, { generation: 1, published: 95, rejected: 0, holes: [] });
    const changes = await changesIn(log);
    assert.equal(new Set(changes.map(({ key }) => key)).size, 95);
    assert.equal(changes.length, 95);
    for (const { op, origin, version } of changes) {
      assert.equal(op, 'r');
      assert.deepEqual({ ...origin }, { path: 'backfill', store: 'legacy.memory', writer: 'test' });
      assert.equal(version, 5_000);
    }
  });

  it('labels what no captured write has touched with its generation, each run with a later one', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(12);
    const unversioned: Source = {
      ...source,
      async *scan<K extends Kind>(kind: K, range: ScanRange, options: { readonly limit: number }) {
        for await (const chunk of source.scan(kind, range, options)) {
          yield { ...chunk, rows: chunk.rows.map((row) => ({ ...row, version: null })) };
        }
      },
    };
    for (const generation of [1, 2, 3]) {
      assert.equal((await backfill(log, unversioned)).generation, generation);
      const versions = (await changesIn(log)).map(({ version }) => version);
      assert.equal(versions.filter((version) => version === generation).length, 12);
    }
  });

  it('goes on after the last chunk that the log confirmed, with the same generation', async () => {
    const broker = new MemoryBroker();
    const { source } = await storeOf(100);
    const stopped = new AbortController();
    let chunks = 0;
    const interrupted = backfill(
      await openTestLog(broker),
      source,
      {
        parallelism: 1,
        onChunk: () => {
          chunks += 1;
          if (chunks === 4) stopped.abort();
        },
      },
      stopped.signal,
    );
    await assert.rejects(interrupted);
    const log = await openTestLog(broker);
    let resumed = false;
    const result = await backfill(log, source, {
      onPlan: (plan) => {
        resumed = plan.resumed;
        assert.ok((plan.kinds[0]?.done ?? 0) >= 30);
      },
    });
    assert.ok(resumed);
    assert.equal(result.generation, 1);
    const changes = await changesIn(log);
    assert.equal(new Set(changes.map(({ key }) => key)).size, 100);
    assert.ok(changes.length <= 110, `at most one chunk twice, but ${changes.length} were published`);
  });

  it('tries a chunk again that could not be read, without a gap or a repetition', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(60);
    const flaky = failingAfter(source, 2, new ChangeoverError('timeout', 'slow'), 1);
    const result = await backfill(log, flaky, { parallelism: 1 });
    assert.deepEqual(result.holes, []);
    assert.equal((await changesIn(log)).length, 60);
  });

  it('records what it cannot read as a hole, moves the rest, and mends the hole in the next run', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(60);
    const broken = failingAfter(source, 3, new ChangeoverError('timeout', 'the disk is gone'));
    const result = await backfill(log, broken, { parallelism: 1 });
    assert.equal(result.holes.length, 1);
    assert.match(result.holes[0]?.reason ?? '', /the disk is gone/);
    assert.deepEqual(result.holes[0]?.range.after, ['a0029']);
    const mended = await backfill(log, source, { parallelism: 1 });
    assert.deepEqual([mended.generation, mended.published, mended.holes.length], [1, 60, 0]);
    assert.equal(new Set((await changesIn(log)).map(({ key }) => key)).size, 60);
    assert.equal((await backfill(log, source)).generation, 2);
  });

  it('counts and reports what is no entity, and moves the rest', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(20);
    const item = { where: 'line 3', reason: 'odd' };
    const dirty: Source = {
      ...source,
      async *scan<K extends Kind>(kind: K, range: ScanRange, options: { readonly limit: number }) {
        for await (const chunk of source.scan(kind, range, options)) yield { ...chunk, rejected: [item] };
      },
    };
    const reported: unknown[] = [];
    const result = await backfill(log, dirty, {
      parallelism: 1,
      onChunk: (_kind, _published, items) => reported.push(...items),
    });
    assert.deepEqual([result.published, result.rejected], [20, 2]);
    assert.deepEqual(reported, [item, item]);
  });

  it('names an entity that is larger than the log takes, and moves the rest of its chunk', async () => {
    const log = await openTestLog();
    const store = await storeOf(25);
    const huge = sampleEntity('agent', { name: 'a0013b' });
    await store.sink.apply([
      upsert('agent', { ...huge, attributes: { text: 'x'.repeat(1_100_000) } }, 5_000),
    ]);
    const reported: { where: string; reason: string }[] = [];
    const result = await backfill(log, store.source, {
      onChunk: (_kind, _published, items) => reported.push(...items),
    });
    assert.deepEqual([result.published, result.rejected, result.holes.length], [25, 1, 0]);
    assert.match(reported[0]?.where ?? '', /legacy\.memory: agent a0013b/);
    assert.match(reported[0]?.reason ?? '', /bytes, more than the 1000000 that the log takes/);
    assert.equal((await changesIn(log)).length, 25);
  });

  it('does not go on in another store with the places of the first', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(60);
    const stopped = new AbortController();
    const interrupted = backfill(log, source, { onChunk: () => stopped.abort() }, stopped.signal);
    await assert.rejects(interrupted);
    const elsewhere = [{ kind: 'agent', source, store: 'legacy.other' }] as const;
    await assert.rejects(backfill(log, source, { sources: elsewhere }), {
      code: 'mismatch',
      message: /was reading agent from legacy\.memory; now it would be read from legacy\.other/,
    });
    const anew = await backfill(log, source, { sources: elsewhere, resume: 'never' });
    assert.deepEqual([anew.generation, anew.published], [2, 60]);
  });

  it('keeps to its rate', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(60);
    const startedMs = performance.now();
    await backfill(log, source, { ratePerSecond: 200 });
    assert.ok(performance.now() - startedMs >= 240, '60 items at 200 a second, the first chunk at once');
  });

  it('of some kinds leaves a run unfinished that has others, too', async () => {
    const log = await openTestLog();
    const { source } = await storeOf(5);
    const both = (['agent', 'policy'] as const).map((kind) => ({ kind, source, store: 'legacy.memory' }));
    const stopped = new AbortController();
    await assert.rejects(
      backfill(log, source, { sources: both, onPlan: () => stopped.abort() }, stopped.signal),
    );
    assert.equal((await backfill(log, source)).generation, 1);
    assert.equal((await backfill(log, source, { sources: both })).generation, 1);
    assert.equal((await backfill(log, source)).generation, 2);
  });

  it('is estimated from counts and a sample', async () => {
    const { source } = await storeOf(40);
    const [estimate] = await estimateBackfill(
      {
        sources: [{ kind: 'agent', source, store: 's' }],
        clock: systemClock,
        batchSize: 10,
        sampleItems: 20,
        ratePerSecond: 4,
      },
      new AbortController().signal,
    );
    assert.deepEqual([estimate?.total, estimate?.sampled, estimate?.seconds], [40, 20, 10]);
  });
});
