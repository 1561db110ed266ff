import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startCli } from '../support/cli.ts';
import { KILL_ORDER_ENV, type KillOrder } from './kill-plan.ts';
import type { Slot } from './plan.ts';
import type { WriterOptions } from './writer-options.ts';

const WRITER = fileURLToPath(new URL('writer.ts', import.meta.url));
const KILL_POINTS = new URL('kill-points.ts', import.meta.url).href;

const STOP_WITHIN_MS = 30_000;
const MOST_STDERR = 8_000;

export interface Child {
  readonly process: ChildProcess;
  /** The code is null when a signal ended it. */
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** Whoever ends before they do ends them too. */
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

interface Start {
  readonly slot: Slot;
  /** Where it is to kill itself. */
  readonly order: KillOrder | undefined;
  readonly configFile: string;
  /** Of a writer. */
  readonly writer: WriterOptions | undefined;
  /** Entities a second of a backfill. */
  readonly backfillRate: number;
  /** Beside ours. */
  readonly environment: Readonly<Record<string, string>>;
}

export function startChild(start: Start): Child {
  const child = begin(start);
  living.add(child.process);
  child.process.once('close', () => living.delete(child.process));
  return child;
}

function begin({
  slot: { role, origin },
  order,
  configFile,
  writer,
  backfillRate,
  environment,
}: Start): Child {
  const nodeOptions = environment.NODE_OPTIONS ?? process.env.NODE_OPTIONS ?? '';
  const env: Record<string, string> =
    order === undefined
      ? { ...environment }
      : {
          ...environment,
          NODE_OPTIONS: `${nodeOptions} --import=${KILL_POINTS}`,
          [KILL_ORDER_ENV]: JSON.stringify(order),
        };
  const command = (...args: readonly string[]): Child => {
    const { child, result } = startCli(['--config', configFile, ...args], env);
    return { process: child, ended: result };
  };
  switch (role) {
    case 'writer':
      return startWriter(writer, env);
    case 'relay':
      return command('relay', '--stores', origin ?? '');
    case 'run':
      return command('run');
    case 'backfill':
      return command(
        'backfill',
        ...backfillFlags(configFile),
        ...['--rate', `${backfillRate}`, '--parallelism', '2'],
      );
    default:
      return role satisfies never;
  }
}

/** Beside the configuration: a folder of the run's own. */
export function backfillFlags(configFile: string): readonly string[] {
  return ['--batch-size', '100', '--rejected', join(dirname(configFile), 'rejected.ndjson')];
}

function startWriter(options: WriterOptions | undefined, env: Record<string, string>): Child {
  const child = spawn(process.execPath, [WRITER, JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr = (stderr + text.toString()).slice(-MOST_STDERR);
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stderr }));
  });
  return { process: child, ended };
}

/** Ends it as its user would. Tells afterwards whether it had to be killed because it did not stop. */
export function stopChild(child: Child, over: AbortSignal): () => boolean {
  let hung = false;
  child.process.kill('SIGTERM');
  sleep(STOP_WITHIN_MS, undefined, { signal: over }).then(
    () => {
      hung = true;
      child.process.kill('SIGKILL');
    },
    () => {},
  );
  return () => hung;
}
