import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readConfig } from '../cli/config.ts';
import { loadLegacyStores } from '../cli/demo/load-legacy.ts';
import { withDeployment } from '../cli/deployment.ts';
import { stackConfig } from '../cli/work/stack-config.ts';
import { lagOf } from '../log/log.ts';
import { KINDS, type Kind } from '../schemas/kinds.ts';
import type { Society } from '../society/society.ts';
import type { Stack } from '../stack/stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { ended, said, startCommand } from './cli.ts';
import { cpuSeconds, ProcessSampler, peakResidentMegabytes } from './measure.ts';

export interface EndToEnd {
  readonly changes: number;
  readonly byKind: Readonly<Record<Kind, number>>;
  /** From the start of the backfill process to the last commit of the last store. */
  readonly seconds: number;
  /** From the same moment to the end of the backfill process. */
  readonly backfillSeconds: number;
  readonly backfillMegabytes: number;
  readonly runMegabytes: number;
  /** Processor seconds in that time, by process: our two and each server. */
  readonly cpu: Readonly<Record<string, number>>;
}

/** Fills the legacy stores of the stack. */
export async function loadSociety(society: Society, addresses: BenchStack, { dir }: Stack): Promise<void> {
  const context = {
    env: {},
    signal: new AbortController().signal,
    print: console.error,
    note: console.error,
  };
  const onRejected = ({ where, reason }: { where: string; reason: string }): void => {
    throw new Error(`${where}: ${reason}`);
  };
  const places = { addresses, dictionaryFile: join(dir, 'society.json') };
  await loadLegacyStores(society, places, onRejected, context);
}

/**
 * Moves what is in the legacy stores as an operator would: `changeover run` in one process, `changeover backfill` in
 * another, both from their start. The sinks' process is started first, because it would be running already. Each round
 * goes through topics, and into places, of its own, so that it moves everything again on servers that are warm.
 */
export async function moveSociety(addresses: BenchStack, stack: Stack, round: number): Promise<EndToEnd> {
  const configFile = await writeRoundConfig(addresses, stack, round);
  const run = startCommand(['--config', configFile, 'run']);
  const runEnded = ended(run);
  // A consumer that stops would leave us waiting for ever.
  const stopped = runEnded.then(() => Promise.reject(new Error('`changeover run` ended by itself')));
  stopped.catch(() => {});
  await said(run, 'follows');

  const servers = await serverPids(stack);
  const before = cpuOf({ ...servers, run: [run.pid] });
  const startedMs = performance.now();
  const backfill = startCommand(['--config', configFile, 'backfill']);
  const sampler = new ProcessSampler(backfill.pid);
  await ended(backfill).finally(() => sampler.stop());
  const backfillSeconds = (performance.now() - startedMs) / 1000;
  const byKind = await Promise.race([allCommitted(configFile), stopped]);
  const seconds = (performance.now() - startedMs) / 1000;

  const after = cpuOf({ ...servers, run: [run.pid] });
  const runMegabytes = peakResidentMegabytes(run.pid);
  run.kill('SIGTERM');
  await runEnded;
  const used = Object.entries(after).map(([name, cpu]) => [name, cpu - (before[name] ?? 0)]);
  return {
    changes: KINDS.reduce((sum, kind) => sum + byKind[kind], 0),
    byKind,
    seconds,
    backfillSeconds,
    backfillMegabytes: sampler.megabytes,
    runMegabytes,
    cpu: { backfill: sampler.cpuSeconds, ...Object.fromEntries(used) },
  };
}

async function writeRoundConfig(addresses: BenchStack, { dir }: Stack, round: number): Promise<string> {
  const config = stackConfig(dir, addresses);
  const target = config.target as Record<'neo4j' | 'milvus' | 'postgres', Record<string, unknown>>;
  const file = join(dir, `round-${round}.yaml`);
  const ofRound = {
    ...config,
    prefix: `round-${round}`,
    target: {
      neo4j: { ...target.neo4j, labels: { agent: `Agent${round}`, memory: `Vector${round}` } },
      milvus: { ...target.milvus, collection: `memories_${round}` },
      postgres: { ...target.postgres, schema: `round_${round}` },
    },
  };
  await writeFile(file, stringify(ofRound), { mode: 0o600 });
  return file;
}

/** The servers' processes and their children (Postgres has one for each connection). */
async function serverPids(stack: Stack): Promise<Record<string, readonly number[]>> {
  const status = await stack.status();
  return Object.fromEntries(status.map(({ service, pids }) => [service, pids]));
}

function cpuOf(
  processes: Readonly<Record<string, readonly (number | undefined)[]>>,
): Readonly<Record<string, number>> {
  const used: Record<string, number> = {};
  for (const [name, pids] of Object.entries(processes)) {
    used[name] = pids.reduce<number>((sum, pid) => sum + cpuSeconds(pid), 0);
  }
  return used;
}

/** Resolves with the number of records of each kind when every target store has committed all of them. */
async function allCommitted(configFile: string): Promise<Record<Kind, number>> {
  const config = readConfig(configFile, {});
  return withDeployment(config, async (deployment) => {
    const log = await deployment.log();
    for (const [name, kinds] of deployment.routes.followers) {
      const group = `target.${name}`;
      while ((await log.positions(kinds, group)).some((position) => lagOf(position) > 0)) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
    for (const { kind, start, end } of await log.positions(KINDS)) counts[kind] += end - start;
    return counts;
  });
}
