import { APPLIED, type Sink } from '../../connectors/connector.ts';
import { recordRefused } from '../../consumers/dead-letters/record-refused.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import type { Refuse } from '../../consumers/refused.ts';
import { retryPassing } from '../../consumers/retry-passing.ts';
import { skipEcho } from '../../consumers/skip-echo.ts';
import { isRetryable } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Log } from '../../log/log.ts';
import { runBackfill } from '../../producers/backfill/backfill.ts';
import { Relay } from '../../producers/relay/relay.ts';
import { testCodec } from '../support/memory-log.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Follower } from './follower.ts';
import type { FollowerGroup } from './follower-group.ts';
import type { History } from './history.ts';
import type { Life } from './life.ts';
import { ORIGIN, ORIGIN_KINDS, type Origin } from './origin.ts';
import type { Start } from './process.ts';
import { openCapture } from './sim-capture.ts';
import { type SimLog, viewOfLog } from './sim-log.ts';
import { openSource } from './sim-source.ts';

export interface Places {
  readonly log: SimLog;
  readonly origin: Origin;
  readonly history: History;
  readonly deadLetters: DeadLetters;
}

/** Drains the outbox: the product's relay. */
export async function relayProcess({ life, signal }: Start, { log, origin, history }: Places): Promise<void> {
  const { bug, random } = life.world;
  const relay = new Relay({
    store: ORIGIN,
    capture: openCapture(origin, life, history),
    log: viewOfLog({ log, life, history, confirmsEarly: bug === 'discarded-before-confirmed' }),
    clock: life.clock,
    logger: silentLogger,
    batchSize: random.between(1, 8),
    maxInFlight: 20,
  });
  await relay.run(signal);
}

/** Reads the origin from end to end, as often as the plan says: the product's backfill. */
export async function backfillProcess(
  { life, signal }: Start,
  { log, origin, history }: Places,
  runs: { finished: number },
): Promise<void> {
  const { world } = life;
  const view = viewOfLog({ log, life, history, confirmsEarly: world.bug === 'backfill-confirmed-early' });
  const source = openSource(origin, life);
  while (runs.finished < world.plan.backfills) {
    const result = await runBackfill(
      {
        sources: ORIGIN_KINDS.map((kind) => ({ kind, source, store: ORIGIN })),
        log: view,
        clock: life.clock,
        writer: life.name,
        batchSize: world.random.between(1, 3),
        parallelism: 2,
        retryPolicy: { attempts: 3, initialDelayMs: 20 },
        resume: 'unfinished',
        onPlan: ({ generation, resumed }) => life.say(`backfill ${generation}${resumed ? ' goes on' : ''}`),
        onChunk: () => {},
      },
      signal,
    );
    life.say(`backfill ${result.generation} is through, with ${result.holes.length} holes`);
    if (result.holes.length === 0) runs.finished += 1;
    await life.clock.sleep(100, signal);
  }
}

/** Follows the log into a store: the product's pipeline, with the stages that the command line gives it. */
export async function memberProcess(
  { life, signal, members, onSubscribed }: Start,
  { log, history, deadLetters }: Places,
  follower: Follower,
  group: FollowerGroup,
): Promise<void> {
  const { world } = life;
  const retrying = retryPassing({
    store: follower.name,
    clock: life.clock,
    logger: silentLogger,
    onRetry: () => {},
    onBreaker: (state) => life.say(`breaker ${state}`),
  });
  const view = viewOfLog({ log, life, history, members, onSubscribed, rules: group, deadLetters });
  const pipeline = createPipeline({
    store: follower.name,
    group: follower.name,
    sink: swallowing(follower.openSink(life), life),
    log: view,
    codec: testCodec,
    clock: life.clock,
    logger: silentLogger,
    stages: [retrying, skipEcho(follower.name)],
    refuse: refuseTo(view, follower, life),
    onBatch: (batch) => {
      const { received, applied, stale, refused } = batch;
      life.say(`has dealt with ${received}: ${applied} applied, ${stale} stale, ${refused} refused`);
      if (received !== applied + stale + refused)
        world.violated('uncounted', `${life.name}: ${JSON.stringify(batch)}`);
    },
    maxBatchChanges: world.plan.maxBatchChanges,
  });
  await pipeline.run(signal);
}

/** Planted: what the store did not take counts as applied. */
function swallowing(sink: Sink, { world }: Life): Sink {
  if (world.bug !== 'retry-swallowed') return sink;
  return {
    kinds: sink.kinds,
    close: () => sink.close(),
    forget: () => sink.forget?.(),
    apply: (changes, tenure) =>
      sink.apply(changes, tenure).catch((error: unknown) => {
        if (!isRetryable(error)) throw error;
        return changes.map(() => APPLIED);
      }),
  };
}

function refuseTo(log: Log, { name }: Follower, life: Life): Refuse {
  const refuse = recordRefused({
    store: name,
    deadLetters: log.deadLetters,
    codec: testCodec,
    clock: life.clock,
    logger: silentLogger,
    stopAfter: 10_000,
    payload: 'none',
    mask: [],
  });
  if (life.world.bug !== 'dead-letter-after-commit') return refuse;
  return async (refused, signal) => {
    void life.clock.sleep(200).then(() => refuse(refused, signal));
  };
}
