import type { Store } from '../../connectors/connector.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import { countOutcomes, NO_PROGRESS, type PipelineProgress } from '../../consumers/progress.ts';
import { skipEcho } from '../../consumers/skip-echo.ts';
import { stopOnRejection } from '../../consumers/stop-on-rejection.ts';
import { systemClock } from '../../core/clock.ts';
import { retry } from '../../core/retry.ts';
import { type Service, unlessAborted } from '../../core/service.ts';
import { type Log, lagOf } from '../../log/log.ts';
import type { Deployment } from '../deployment.ts';

/** A target store that follows the log, and what its pipeline has done so far. */
export interface Follower {
  readonly store: Store;
  /** Local to the log's prefix; the brokers know it as `<prefix>.<group>`. */
  readonly group: string;
  readonly pipeline: Service;
  progress(): PipelineProgress;
}

export interface FollowOptions {
  /** Go on where records have expired before a store had them. */
  readonly acceptGap?: boolean;
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
  { acceptGap = false }: FollowOptions,
): Promise<Follower> {
  const { config, codec, logger } = deployment;
  const store = await deployment.store('target', name);
  await store.prepare();
  const group = store.name;
  let progress = NO_PROGRESS;
  const pipeline = createPipeline({
    store: store.name,
    group,
    sink: store.sink,
    log,
    codec,
    logger: logger.child({ group }),
    stages: [
      countOutcomes((total) => {
        progress = total;
      }),
      stopOnRejection(store.name),
      skipEcho(store.name),
    ],
    maxBatchChanges: config.run.maxBatchChanges,
    acceptGap,
  });
  return { store, group, pipeline, progress: () => progress };
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

/** Records that the follower has yet to commit. */
export async function followerLag(log: Log, follower: Follower, signal: AbortSignal): Promise<number> {
  const { kinds } = follower.store.sink;
  const positions = await unlessAborted(log.positions(kinds, follower.group), signal);
  return positions.reduce((sum, position) => sum + lagOf(position), 0);
}
