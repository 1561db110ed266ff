import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../bin/changeover.js', import.meta.url));

export interface CommandResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  readonly result: Promise<CommandResult>;
  /** Resolves when it has written this to standard error; rejects when it ends before. */
  said(words: string): Promise<void>;
}

/** Starts a command of changeover in a process of its own, as its user would. */
export function startCli(args: readonly string[], env: Record<string, string> = {}): RunningCommand {
  const child = spawn(PROGRAM, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // The same Node as ours, so that a signal reaches the command itself.
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, NO_COLOR: '1', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const result = new Promise<CommandResult>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const said = (words: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stderr.includes(words)) resolve();
      };
      child.stderr.on('data', look);
      child.once('close', (code) =>
        reject(new Error(`ended with ${code} before it said "${words}":\n${stderr}`)),
      );
      look();
    });
  return { child, result, said };
}

export function cli(args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
  return startCli(args, env).result;
}
