import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Resolves when it has written this to standard error; rejects when it ends before. */
  said(words: string): Promise<void>;
}

/** The environment in which `changeover` is one process, on the Node that runs the tests. */
export const OWN_NODE_FIRST = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  NO_COLOR: '1',
};

/** Starts a program in a process group of its own, so that a signal can be for all of it, as from a terminal. */
export function start(command: string, args: readonly string[]): Running {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: OWN_NODE_FIRST,
    detached: true,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const said = (words: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stderr.includes(words)) resolve();
      };
      child.stderr.on('data', look);
      child.once('close', (code) => reject(new Error(`ended with ${code} before "${words}":\n${stderr}`)));
      look();
    });
  return { child, pid: child.pid ?? 0, ended, said };
}
