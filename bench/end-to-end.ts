import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../cli/config.ts';
import { loadLegacyStores } from '../cli/demo/load-legacy.ts';
import { withDeployment } from '../cli/deployment.ts';
import { writeStackConfig } from '../cli/work/stack-config.ts';
import { lagOf } from '../log/log.ts';
import { KINDS, type Kind } from '../schemas/kinds.ts';
import type { Society } from '../society/society.ts';
import type { StackAddresses } from '../stack/addresses.ts';
import { openStack } from '../stack/stack.ts';
import { ended, said, startCommand } from './cli.ts';
import { peakResidentMegabytes } from './measure.ts';

export interface EndToEnd {
  readonly changes: number;
  readonly byKind: Readonly<Record<Kind, number>>;
  /** From the start of the backfill process to the last commit of the last store. */
  readonly seconds: number;
  /** From the same moment to the end of the backfill process. */
  readonly backfillSeconds: number;
  readonly backfillMegabytes: number;
  readonly runMegabytes: number;
}

export type BenchStack = Pick<StackAddresses, 'kafka' | 'neo4j' | 'milvus' | 'postgres' | 'redis'>;

/** A fresh stack for one benchmark, gone afterwards. */
export async function withBenchStack<T>(
  work: (addresses: BenchStack, dir: string) => Promise<T>,
): Promise<T> {
  const stack = await openStack({
    dir: join('.changeover', 'bench'),
    onProgress: ({ service, message }) => console.error(`  ${service.padEnd(10)} ${message}`),
  });
  if (existsSync(join(stack.dir, 'state.json'))) await stack.reset();
  try {
    return await work(await stack.up(), stack.dir);
  } finally {
    await stack.reset();
  }
}

/**
 * Moves a society as an operator would: `changeover run` in one process, `changeover backfill` in another, both from
 * their start. The sinks' process is started first, because it would be running already.
 */
export async function moveSociety(society: Society, addresses: BenchStack, dir: string): Promise<EndToEnd> {
  const context = {
    env: {},
    signal: new AbortController().signal,
    print: console.error,
    note: console.error,
  };
  const configFile = await writeStackConfig(dir, addresses);
  const onRejected = ({ where, reason }: { where: string; reason: string }): void => {
    throw new Error(`${where}: ${reason}`);
  };
  await loadLegacyStores(
    society,
    { addresses, dictionaryFile: join(dir, 'society.json') },
    onRejected,
    context,
  );

  const run = startCommand(['--config', configFile, 'run']);
  const runEnded = ended(run);
  runEnded.catch(() => {});
  await said(run, 'follows');
  const startedMs = performance.now();
  const backfill = startCommand(['--config', configFile, 'backfill']);
  let backfillMegabytes = 0;
  const sampler = setInterval(() => {
    if (backfill.pid !== undefined && backfill.exitCode === null) {
      backfillMegabytes = Math.max(backfillMegabytes, peakResidentMegabytes(backfill.pid));
    }
  }, 100);
  await ended(backfill).finally(() => clearInterval(sampler));
  const backfillSeconds = (performance.now() - startedMs) / 1000;

  // A consumer that stops would leave us waiting for ever.
  const stopped = runEnded.then(() => Promise.reject(new Error('`changeover run` ended by itself')));
  const byKind = await Promise.race([allCommitted(configFile), stopped]);
  const seconds = (performance.now() - startedMs) / 1000;
  const runMegabytes = peakResidentMegabytes(run.pid ?? 0);
  stopped.catch(() => {});
  run.kill('SIGTERM');
  await runEnded;
  const changes = KINDS.reduce((sum, kind) => sum + byKind[kind], 0);
  return { changes, byKind, seconds, backfillSeconds, backfillMegabytes, runMegabytes };
}

/** Resolves with the number of records of each kind when every target store has committed all of them. */
async function allCommitted(configFile: string): Promise<Record<Kind, number>> {
  const config = readConfig(configFile, {});
  return withDeployment(config, async (deployment) => {
    const log = await deployment.log();
    for (const [name, kinds] of deployment.routes.followers) {
      const group = `${config.prefix}.target.${name}`;
      while ((await log.positions(kinds, group)).some((position) => lagOf(position) > 0)) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
    for (const { kind, start, end } of await log.positions(KINDS)) counts[kind] += end - start;
    return counts;
  });
}
