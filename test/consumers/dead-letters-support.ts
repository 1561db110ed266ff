import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Outcome, rejected, type Sink, type Store } from '../../connectors/connector.ts';
import { type Letter, readLetters } from '../../consumers/dead-letters/letters.ts';
import { createMask } from '../../consumers/dead-letters/mask.ts';
import { type RecordRefusedOptions, recordRefused } from '../../consumers/dead-letters/record-refused.ts';
import {
  previewRedrive,
  type Redriven,
  type RedrivePreview,
  redrive,
} from '../../consumers/dead-letters/redrive.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import { NO_PROGRESS, type PipelineProgress, progressed } from '../../consumers/progress.ts';
import { skipEcho } from '../../consumers/skip-echo.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { type Log, lagOf } from '../../log/log.ts';
import type { MemoryBroker } from '../../log/memory/broker.ts';
import { partitionOf } from '../../log/partition.ts';
import type { Change } from '../../schemas/change.ts';
import { type Kind, topicOf } from '../../schemas/kinds.ts';
import { testCodec } from '../support/memory-log.ts';

export const SINK = 'target.memory';

/** A sink that refuses some changes for good, as long as `refuses` says so. */
export function pickySink(sink: Sink, refuses: (change: Change) => string | undefined): Sink {
  return {
    ...sink,
    apply: async (changes) => {
      const taken = changes.filter((change) => refuses(change) === undefined);
      const outcomes = (taken.length === 0 ? [] : await sink.apply(taken)).values();
      return changes.map((change): Outcome => {
        const reason = refuses(change);
        return reason === undefined ? (outcomes.next().value ?? assert.fail()) : rejected(reason);
      });
    },
  };
}

export interface Following {
  readonly ended: Promise<void>;
  progress(): PipelineProgress;
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
}

/** A pipeline that records what the sink refuses. */
export function follow(
  log: Log,
  sink: Sink,
  options: Partial<RecordRefusedOptions> & { readonly maxBatchChanges?: number } = {},
): Following {
  const { maxBatchChanges = 50, ...recording } = options;
  const stop = new AbortController();
  let progress = NO_PROGRESS;
  const pipeline = createPipeline({
    store: SINK,
    group: SINK,
    sink,
    log,
    codec: testCodec,
    clock: systemClock,
    logger: silentLogger,
    stages: [skipEcho(SINK)],
    refuse: recordRefused({
      store: SINK,
      deadLetters: log.deadLetters,
      codec: testCodec,
      clock: systemClock,
      logger: silentLogger,
      stopAfter: 1_000,
      payload: 'none',
      mask: [],
      ...recording,
    }),
    onBatch: (batch) => {
      progress = progressed(progress, batch);
    },
    maxBatchChanges,
  });
  const ended = pipeline.run(stop.signal);
  ended.catch(() => {});
  return {
    ended,
    progress: () => progress,
    caughtUp: async () => {
      // A real store that has just been started may need a while to find a few among a thousand.
      for (let tries = 0; tries < 6_000; tries++) {
        if ((await lag(log, sink.kinds)) === 0) return;
        await sleep(10);
      }
      assert.fail('it does not catch up');
    },
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

export async function lag(log: Log, kinds: readonly Kind[]): Promise<number> {
  return (await log.positions(kinds, SINK)).reduce((sum, position) => sum + lagOf(position), 0);
}

/** Follows the log to its end. */
export async function followToEnd(...args: Parameters<typeof follow>): Promise<PipelineProgress> {
  const following = follow(...args);
  await Promise.race([following.caughtUp(), following.ended]);
  await following.stop();
  return following.progress();
}

export async function publish(log: Log, changes: readonly Change[]): Promise<void> {
  const publisher = await log.publisher();
  await publisher.publish(changes);
  await publisher.close();
}

/** Bytes that somebody else has written. */
export function poison(broker: MemoryBroker, kind: Kind, key: string, value: Buffer): void {
  const topic = broker.topics.get(topicOf('test', kind));
  assert.ok(topic);
  const bytes = Buffer.from(key);
  const partition = partitionOf(bytes, topic.length);
  broker.append(topic, partition, { key: bytes, value, timestampMs: 1 });
}

export async function openLetters(log: Log): Promise<readonly Letter[]> {
  return (await readLetters(log.deadLetters)).filter(({ state }) => state === 'open');
}

export async function redriveAll(
  log: Log,
  store: Pick<Store, 'sink' | 'source'>,
  letters: readonly Letter[],
): Promise<readonly Redriven[]> {
  const { signal } = new AbortController();
  const { sink, source } = store;
  const all: Redriven[] = [];
  const by = 'ada@host';
  const options = { log, codec: testCodec, mask: createMask([]), signal, by, clock: systemClock };
  for await (const some of redrive(letters, { ...options, store: { name: SINK, sink, source } }))
    all.push(...some);
  return all;
}

export async function previewAll(
  log: Log,
  store: Pick<Store, 'sink' | 'source'>,
  letters: readonly Letter[],
): Promise<readonly RedrivePreview[]> {
  const { signal } = new AbortController();
  const { sink, source } = store;
  const all: RedrivePreview[] = [];
  const options = {
    log,
    codec: testCodec,
    mask: createMask([]),
    signal,
    store: { name: SINK, sink, source },
  };
  for await (const some of previewRedrive(letters, options)) all.push(...some);
  return all;
}
