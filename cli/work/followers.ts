import type { Store } from '../../connectors/connector.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import { countOutcomes, NO_PROGRESS, type PipelineProgress } from '../../consumers/progress.ts';
import { skipEcho } from '../../consumers/skip-echo.ts';
import { stopOnRejection } from '../../consumers/stop-on-rejection.ts';
import { systemClock } from '../../core/clock.ts';
import type { Service } from '../../core/service.ts';
import { type Log, lagOf } from '../../log/log.ts';
import type { Deployment } from '../deployment.ts';

/** A target store that follows the log, and what its pipeline has done so far. */
export interface Follower {
  readonly store: Store;
  readonly group: string;
  readonly pipeline: Service;
  progress(): PipelineProgress;
}

/** Opens and prepares the target stores, and makes a pipeline for each, in a consumer group of its own. */
export async function openFollowers(
  deployment: Deployment,
  names: readonly string[],
): Promise<readonly Follower[]> {
  const log = await deployment.log();
  await log.prepare();
  return Promise.all(names.map((name) => openFollower(deployment, log, name)));
}

async function openFollower(deployment: Deployment, log: Log, name: string): Promise<Follower> {
  const { config, codec, logger } = deployment;
  const store = await deployment.store('target', name);
  await store.prepare();
  const group = `${config.prefix}.${store.name}`;
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
  });
  return { store, group, pipeline, progress: () => progress };
}

const POLL_MS = 100;

/**
 * Resolves when the follower has committed everything that was in the log at the time of the call.
 */
export async function caughtUp(log: Log, follower: Follower, signal: AbortSignal): Promise<void> {
  const { kinds } = follower.store.sink;
  const goals = new Map(
    (await log.positions(kinds)).map(({ kind, partition, end }) => [`${kind} ${partition}`, end]),
  );
  for (;;) {
    const positions = await log.positions(kinds, follower.group);
    const behind = positions.some((position) => {
      const goal = goals.get(`${position.kind} ${position.partition}`) ?? 0;
      return lagOf({ ...position, end: goal }) > 0;
    });
    if (!behind) return;
    await systemClock.sleep(POLL_MS, signal);
  }
}

/** Records that the follower has yet to commit. */
export async function followerLag(log: Log, follower: Follower): Promise<number> {
  const positions = await log.positions(follower.store.sink.kinds, follower.group);
  return positions.reduce((sum, position) => sum + lagOf(position), 0);
}
