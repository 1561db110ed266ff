import type { Store } from '../../connectors/connector.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import { NO_PROGRESS, type PipelineProgress, progressed } from '../../consumers/progress.ts';
import { type BreakerState, retryPassing } from '../../consumers/retry-passing.ts';
import { skipEcho } from '../../consumers/skip-echo.ts';
import { systemClock } from '../../core/clock.ts';
import type { FollowerMetrics } from '../../core/metrics/follower-metrics.ts';
import { retry } from '../../core/retry.ts';
import { type Service, unlessAborted } from '../../core/service.ts';
import { type Log, lagOf } from '../../log/log.ts';
import type { Deployment } from '../deployment.ts';
import { refusalsOf } from './dead-letters.ts';

/** A target store that follows the log, and what its pipeline has done so far. */
export interface Follower {
  readonly store: Store;
  /** Local to the log's prefix; the brokers know it as `<prefix>.<group>`. */
  readonly group: string;
  readonly pipeline: Service;
  progress(): PipelineProgress;
  breaker(): BreakerState;
}

export interface FollowOptions {
  /** Go on where records have expired before a store had them. */
  readonly acceptGap?: boolean;
  readonly metrics?: FollowerMetrics;
}

/** Opens and prepares the target stores, and makes a pipeline for each, in a consumer group of its own. */
export async function openFollowers(
  deployment: Deployment,
  names: readonly string[],
  options: FollowOptions = {},
): Promise<readonly Follower[]> {
  const log = await deployment.log();
  await log.prepare();
  return Promise.all(names.map((name) => openFollower(deployment, log, name, options)));
}

async function openFollower(
  deployment: Deployment,
  log: Log,
  name: string,
  { acceptGap = false, metrics }: FollowOptions,
): Promise<Follower> {
  const { config, codec, logger } = deployment;
  const store = await deployment.store('target', name);
  await store.prepare();
  const group = store.name;
  let progress = NO_PROGRESS;
  let breaker: BreakerState = 'closed';
  metrics?.follows(store.name);
  const pipeline = createPipeline({
    store: store.name,
    group,
    sink: store.sink,
    log,
    codec,
    clock: systemClock,
    logger: logger.child({ group }),
    stages: [
      retryPassing({
        store: store.name,
        clock: systemClock,
        logger,
        onRetry: () => metrics?.retried(store.name),
        onBreaker: (state) => {
          breaker = state;
          metrics?.breaker(store.name, state === 'open');
        },
      }),
      skipEcho(store.name),
    ],
    refuse: refusalsOf(deployment, log, store.name),
    onBatch: (batch) => {
      progress = progressed(progress, batch);
      metrics?.batch(store.name, batch);
    },
    onEvent: ({ type }) => {
      if (type !== 'fetched') metrics?.group(store.name, type);
    },
    maxBatchChanges: config.run.maxBatchChanges,
    acceptGap,
  });
  return { store, group, pipeline, progress: () => progress, breaker: () => breaker };
}

const POLL_MS = 100;

/**
 * Resolves when the follower has committed everything that was in the log at the time of the call.
 */
export async function caughtUp(log: Log, follower: Follower, signal: AbortSignal): Promise<void> {
  const { kinds } = follower.store.sink;
  const now = await unlessAborted(
    patiently(() => log.positions(kinds), signal),
    signal,
  );
  const goals = new Map(now.map(({ kind, partition, end }) => [`${kind} ${partition}`, end]));
  for (;;) {
    const positions = await unlessAborted(
      patiently(() => log.positions(kinds, follower.group), signal),
      signal,
    );
    const behind = positions.some((position) => {
      const goal = goals.get(`${position.kind} ${position.partition}`) ?? 0;
      return lagOf({ ...position, end: goal }) > 0;
    });
    if (!behind) return;
    await systemClock.sleep(POLL_MS, signal);
  }
}

/** A log that is away for a while does not end those who follow it: they wait for it. */
function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return retry(work, { policy: { attempts: Number.POSITIVE_INFINITY, maxDelayMs: 5_000 }, signal });
}

/** What `/healthz` says of them. */
export function followerHealth(followers: readonly Follower[]): object {
  const entries = followers.map(({ store, progress, breaker }) => [
    store.name,
    { ...progress(), breaker: breaker() },
  ]);
  return { followers: Object.fromEntries(entries) };
}
