/** Finding and running the programs of the machine. */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ChangeoverError } from '../core/errors.ts';

/** Where administrators' tools live; not on an ordinary user's PATH. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];
const KEPT_OUTPUT_CHARS = 20_000;
/** Ends a download that hangs; 120 MB over a slow line takes minutes. */
const RUN_WITHIN_MS = 15 * 60_000;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface RunResult {
  /** Null when it was ended, because it took too long. */
  readonly exitCode: number | null;
  /** Standard output and standard error as they came, the last part of them. */
  readonly output: string;
}

export interface Programs {
  readonly env: NodeJS.ProcessEnv;
  /** The path of an installed program, or undefined. */
  find(name: string): string | undefined;
  /** The path of an installed program; throws `not-installed` with the command that installs it. */
  require(name: string, neededFor: string, installCommand: string): string;
  /** Runs a program to its end. Resolves whatever its exit code; rejects when it is aborted. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
}

export function createPrograms(env: NodeJS.ProcessEnv, signal: AbortSignal): Programs {
  const find = (name: string) => findOnPath(name, env);
  return {
    env,
    find,
    require: (name, neededFor, installCommand) => {
      const path = find(name);
      if (path !== undefined) return path;
      throw new ChangeoverError(
        'not-installed',
        `${neededFor} needs the program ${name}, which is not installed`,
        {
          hint: `Install it: ${installCommand}`,
        },
      );
    },
    run: (command, args, options = {}) => run(command, args, { env, ...options }, signal),
  };
}

export function lastLines(text: string, count: number): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count);
}

function findOnPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const path = env.PATH;
  if (path === undefined || path === '') return undefined;
  return [...path.split(delimiter), ...SYSTEM_FOLDERS].map((folder) => join(folder, name)).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function run(
  command: string,
  args: readonly string[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      signal,
      timeout: RUN_WITHIN_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-KEPT_OUTPUT_CHARS);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, output }));
  });
}
