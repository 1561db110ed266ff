import type { Store } from '../../connectors/connector.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import { NO_PROGRESS, type PipelineProgress, progressed } from '../../consumers/progress.ts';
import { type BreakerState, retryPassing } from '../../consumers/retry-passing.ts';
import { skipEcho } from '../../consumers/skip-echo.ts';
import { systemClock } from '../../core/clock.ts';
import { type ChangeoverError, isRetryable, messageOf } from '../../core/errors.ts';
import type { FollowerMetrics } from '../../core/metrics/follower-metrics.ts';
import { retry } from '../../core/retry.ts';
import { type Service, unlessAborted } from '../../core/service.ts';
import { type Log, lagOf } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Deployment } from '../deployment.ts';
import { refusalsOf } from './dead-letters.ts';

/** A target store that follows the log, and what its pipeline has done so far. */
export interface Follower {
  /** As messages and metrics name it: `target.postgres`. */
  readonly name: string;
  readonly kinds: readonly Kind[];
  /** Why it is not there yet; its pipeline waits for it. */
  readonly missing: ChangeoverError | undefined;
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
  /** Where some stores are there, the others are waited for as they would be later. Where none is, the address may be wrong. */
  readonly waitsForOthers?: boolean;
}

/** A store that is away for hours is not worth a line every few seconds. */
const WAIT = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 1_000, maxDelayMs: 30_000 } as const;

/** Opens and prepares the target stores, and makes a pipeline for each, in a consumer group of its own. */
export async function openFollowers(
  deployment: Deployment,
  names: readonly string[],
  options: FollowOptions = {},
): Promise<readonly Follower[]> {
  const log = await deployment.log();
  await log.prepare();
  const opened = await Promise.allSettled(names.map((name) => openTarget(deployment, name)));
  const failures = opened.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const isForOthers = options.waitsForOthers === true && failures.length < names.length;
  const final = failures.find((reason) => !isForOthers || !isRetryable(reason));
  if (final !== undefined) throw final;
  return names.map((name, index) => followerOf(deployment, log, name, opened[index], options));
}

async function openTarget(deployment: Deployment, name: string): Promise<Store> {
  const store = await deployment.store('target', name);
  await store.prepare();
  return store;
}

function followerOf(
  deployment: Deployment,
  log: Log,
  name: string,
  opened: PromiseSettledResult<Store> | undefined,
  { acceptGap = false, metrics }: FollowOptions,
): Follower {
  const { config, codec, logger, routes } = deployment;
  const fullName = `target.${name}`;
  const group = fullName;
  let progress = NO_PROGRESS;
  let breaker: BreakerState = 'closed';
  const onBreaker = (state: BreakerState): void => {
    breaker = state;
    metrics?.breaker(fullName, state === 'open');
  };
  metrics?.follows(fullName);
  const missing = opened?.status === 'rejected' ? (opened.reason as ChangeoverError) : undefined;
  if (missing !== undefined) onBreaker('open');
  const opening = async (signal: AbortSignal): Promise<Store> => {
    if (opened?.status === 'fulfilled') return opened.value;
    const store = await retry(() => unlessAborted(openTarget(deployment, name), signal), {
      policy: WAIT,
      signal,
      onRetry: (error) => {
        metrics?.retried(fullName);
        logger.warn({ store: fullName, reason: messageOf(error) }, 'the store is not there; waiting');
      },
    });
    logger.warn({ store: fullName }, 'the store is there now');
    onBreaker('closed');
    return store;
  };
  const pipelineOf = (store: Store): Service =>
    createPipeline({
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
          onRetry: () => metrics?.retried(fullName),
          onBreaker,
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
  const pipeline = {
    name: `pipeline ${fullName}`,
    run: async (signal: AbortSignal): Promise<void> => {
      const store = await opening(signal).catch((error: unknown) => {
        // A stop while it was waited for.
        if (signal.aborted) return undefined;
        throw error;
      });
      if (store !== undefined) await pipelineOf(store).run(signal);
    },
  };
  const kinds = routes.followers.get(name) ?? [];
  return {
    name: fullName,
    kinds,
    missing,
    group,
    pipeline,
    progress: () => progress,
    breaker: () => breaker,
  };
}

const POLL_MS = 100;

/**
 * Resolves when the follower has committed everything that was in the log at the time of the call.
 */
export async function caughtUp(log: Log, follower: Follower, signal: AbortSignal): Promise<void> {
  const { kinds } = follower;
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
  const entries = followers.map(({ name, progress, breaker }) => [
    name,
    { ...progress(), breaker: breaker() },
  ]);
  return { followers: Object.fromEntries(entries) };
}
