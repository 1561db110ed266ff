import { ChangeoverError } from '../../core/errors.ts';
import { runAll } from '../../core/service.ts';
import type { CommandContext } from '../command.ts';
import type { Deployment } from '../deployment.ts';
import { count, duration, items, rate } from '../output/format.ts';
import { openProgress } from '../output/progress.ts';
import type { RejectedFile } from '../output/rejected-file.ts';
import { chosenKinds } from '../routes.ts';
import { assertRead, backfill } from '../work/backfill.ts';
import { assertNothingRefused } from '../work/dead-letters.ts';
import { caughtUp, type Follower, openFollowers } from '../work/followers.ts';
import { comparePairs, comparisonTable, isClean, pairsOf } from '../work/validate.ts';

/** Backfill and pipelines side by side, until the stores have applied everything; then the comparison. */
export async function moveAndVerify(
  deployment: Deployment,
  rejectedFile: RejectedFile,
  context: CommandContext,
): Promise<void> {
  const targets = [...deployment.routes.followers.keys()];
  const followers = await openFollowers(deployment, targets);
  context.note('Moving: legacy stores → Kafka → Neo4j, Milvus, Postgres');
  await move(deployment, followers, rejectedFile, context);
  assertNothingRefused(followers);

  const startedMs = performance.now();
  const pairs = await pairsOf(deployment, chosenKinds(deployment.routes, undefined), targets);
  const ignored = { onDifference: () => {}, onRejected: () => {} };
  const comparisons = await comparePairs(
    pairs,
    deployment.config.validate.batchSize,
    ignored,
    context.signal,
  );
  const compared = comparisons.reduce(
    (sum, each) => sum + each.equal + each.missing + each.extra + each.different,
    0,
  );
  context.print(
    `Verified ${items(compared, 'pair')} of entities, to the last bit, in ${duration(performance.now() - startedMs)}:`,
  );
  context.print(comparisonTable(comparisons));
  if (!comparisons.every(isClean))
    throw new ChangeoverError('differences', 'The stores differ after the move');
}

async function move(
  deployment: Deployment,
  followers: readonly Follower[],
  rejectedFile: RejectedFile,
  context: CommandContext,
): Promise<void> {
  const { config, routes } = deployment;
  const log = await deployment.log();
  const startedMs = performance.now();
  const moved = new AbortController();
  const mover = {
    name: 'backfill',
    run: async (stop: AbortSignal): Promise<void> => {
      const result = await backfill(
        deployment,
        {
          kinds: chosenKinds(routes, undefined),
          batchSize: config.backfill.batchSize,
          parallelism: config.backfill.parallelism,
          ratePerSecond: config.backfill.ratePerSecond,
          resume: 'never',
          progress: openProgress({ quiet: false }),
          rejectedFile,
        },
        stop,
      );
      assertRead(result);
      const readMs = performance.now() - startedMs;
      context.note(`  log        ${items(result.published, 'change')} published in ${duration(readMs)}`);
      await Promise.all(
        followers.map(async (follower) => {
          await caughtUp(log, follower, stop);
          const { applied } = follower.progress();
          const tookMs = performance.now() - startedMs;
          context.note(
            `  ${follower.name.padEnd(16)} ${items(applied, 'change')} applied after ${duration(tookMs)}`,
          );
        }),
      );
      const elapsedMs = performance.now() - startedMs;
      context.print(
        `Moved ${count(result.published)} changes in ${duration(elapsedMs)}, ${rate(result.published, elapsedMs)}, from the first read to the last commit.`,
      );
      moved.abort();
    },
  };
  const signal = AbortSignal.any([context.signal, moved.signal]);
  await runAll([...followers.map(({ pipeline }) => pipeline), mover], signal);
  context.signal.throwIfAborted();
}
