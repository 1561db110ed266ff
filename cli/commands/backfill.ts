import { Option } from 'commander';
import { Registry } from 'prom-client';
import { systemClock } from '../../core/clock.ts';
import { createBackfillMetrics } from '../../core/metrics/backfill-metrics.ts';
import { runAll } from '../../core/service.ts';
import { estimateBackfill, type KindEstimate } from '../../producers/backfill/estimate.ts';
import type { Kind } from '../../schemas/kinds.ts';
import {
  type CommandContext,
  configOf,
  kindList,
  optionText,
  type RegisterCommand,
  wholeNumber,
} from '../command.ts';
import { configSchema } from '../config.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { count, duration, items, rate, table } from '../output/format.ts';
import { openProgress } from '../output/progress.ts';
import { RejectedFile } from '../output/rejected-file.ts';
import { chosenKinds } from '../routes.ts';
import {
  assertNothingRejected,
  assertRead,
  type BackfillWork,
  backfill,
  originSources,
} from '../work/backfill.ts';
import { metricsServer } from '../work/metrics-server.ts';
import { openOutboxDepths } from '../work/outbox-depths.ts';
import { registerBackfillOrders } from './backfill-orders.ts';

interface Flags {
  readonly kinds?: readonly Kind[];
  readonly batchSize?: number;
  readonly parallelism?: number;
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly resumeFrom?: number;
  readonly restart?: boolean;
  readonly rejected: string;
  readonly json?: boolean;
}

const SAMPLE_ITEMS = 5_000;

export const registerBackfill: RegisterCommand = (program, context) => {
  const { batchSize, parallelism, ratePerSecond } = configSchema.shape.backfill.unwrap().shape;
  const command = program
    .command('backfill')
    .summary('read every entity from its legacy store and publish it to the log')
    .description(
      'Reads every entity from its legacy store and publishes it to the log. A run that was stopped or killed goes on\n' +
        'where the log had confirmed it. Several processes that are started with the same configuration, on one host or\n' +
        'several, share the run, and what one of them had that is stopped or killed another takes over.',
    )
    .option('--kinds <list>', 'only these kinds, separated by commas', kindList)
    .option('--batch-size <n>', 'entities in one chunk', optionText(batchSize))
    .option('--parallelism <n>', 'ranges that this process moves at once', optionText(parallelism))
    .option('--rate <n>', 'most entities a second, of all that share the run', optionText(ratePerSecond))
    .option('--dry-run', 'count, read a sample and estimate; write nothing anywhere')
    .option('--rejected <file>', 'report of the items that could not be moved', '.changeover/rejected.ndjson')
    .option('--json', 'print the result as JSON')
    .addOption(
      new Option('--resume-from <run>', 'go on with this run').argParser(wholeNumber).conflicts('restart'),
    )
    .option('--restart', 'begin a new run, even when the last one has not finished')
    .action(async (flags: Flags, self) => {
      await withDeployment(configOf(self, context), (deployment) =>
        flags.dryRun ? dryRun(deployment, flags, context) : run(deployment, flags, context),
      );
    });
  registerBackfillOrders(command, context);
};

async function run(deployment: Deployment, flags: Flags, context: CommandContext): Promise<void> {
  const { config, routes } = deployment;
  const rejectedFile = new RejectedFile(flags.rejected);
  const startedMs = performance.now();
  const kinds = chosenKinds(routes, flags.kinds);
  const origins = new Set(kinds.map((kind) => routes.origins.get(kind) ?? ''));
  const outboxes = openOutboxDepths(config, [...origins]);
  const registry = new Registry();
  const work: BackfillWork = {
    kinds,
    batchSize: flags.batchSize ?? config.backfill.batchSize,
    parallelism: flags.parallelism ?? config.backfill.parallelism,
    ratePerSecond: flags.rate ?? config.backfill.ratePerSecond,
    resume: flags.resumeFrom ?? (flags.restart ? 'never' : 'unfinished'),
    progress: openProgress({ quiet: flags.json ?? false }),
    rejectedFile,
    metrics: createBackfillMetrics(registry),
    outboxes: () => outboxes.read(),
    onPlan: ({ generation, resumed }) => {
      if (!resumed) rejectedFile.beginAnew();
      context.note(resumed ? `Going on with backfill ${generation}.` : `Backfill ${generation}.`);
    },
  };
  try {
    const result = await measured(deployment, registry, context.signal, (signal) =>
      backfill(deployment, work, signal),
    );
    const elapsedMs = performance.now() - startedMs;
    if (flags.json) context.print(JSON.stringify({ ...result, elapsedMs }));
    else context.print(`Published ${items(result.published, 'entity')} in ${duration(elapsedMs)}.`);
    assertRead(result);
    assertNothingRejected(rejectedFile, result.rejected);
  } finally {
    await outboxes.close();
  }
}

/** With the metrics beside it, where they are wanted. */
async function measured<T>(
  { config }: Deployment,
  registry: Registry,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { metricsAddress: address } = config.backfill;
  if (address === undefined) return work(signal);
  const server = metricsServer({
    option: 'backfill.metricsAddress',
    address,
    registry,
    health: () => ({}),
  });
  const over = new AbortController();
  const done = Promise.withResolvers<T>();
  const working = {
    name: 'backfill',
    run: async (stop: AbortSignal): Promise<void> => {
      done.resolve(await work(stop));
      over.abort();
    },
  };
  await runAll([server, working], AbortSignal.any([signal, over.signal]));
  return done.promise;
}

async function dryRun(deployment: Deployment, flags: Flags, context: CommandContext): Promise<void> {
  const { config, routes } = deployment;
  const estimates = await estimateBackfill(
    {
      sources: await originSources(deployment, chosenKinds(routes, flags.kinds)),
      clock: systemClock,
      batchSize: flags.batchSize ?? config.backfill.batchSize,
      sampleItems: SAMPLE_ITEMS,
      ratePerSecond: flags.rate ?? config.backfill.ratePerSecond,
    },
    context.signal,
  );
  context.print(flags.json ? JSON.stringify({ kinds: estimates }) : estimateTable(estimates));
}

function estimateTable(estimates: readonly KindEstimate[]): string {
  const rows = estimates.map((each) => [
    each.kind,
    each.store,
    each.total,
    rate(each.readPerSecond, 1_000),
    `about ${duration(each.seconds * 1_000)}`,
    each.rejectedInSample === 0 ? '' : `${each.rejectedInSample} of ${count(each.sampled)} cannot be moved`,
  ]);
  const seconds = estimates.reduce((sum, each) => sum + each.seconds, 0);
  const total = estimates.reduce((sum, each) => sum + each.total, 0);
  return [
    table(['kind', 'from', 'items', 'read at', 'would take', 'in the sample'], rows),
    `In all ${items(total, 'item')}, about ${duration(seconds * 1_000)} to read. Nothing was written.`,
  ].join('\n');
}
