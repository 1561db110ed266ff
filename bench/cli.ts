import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../bin/changeover.js', import.meta.url));

/** The same Node for the command as for us, so that it is one process. */
function ownNodeFirst(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
}

/** Starts a command of changeover as its user would, in a process of its own. */
export function startCommand(args: readonly string[]): ChildProcess {
  return spawn(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe'], env: ownNodeFirst() });
}

/** Resolves when the process has ended well; rejects with what it said otherwise. */
export function ended(child: ChildProcess): Promise<void> {
  let said = '';
  child.stderr?.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(-4_000);
  });
  return new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`ended with ${code ?? signal}: ${said}`));
    });
  });
}

/** Resolves when the process has written this to standard error. */
export function said(child: ChildProcess, words: string): Promise<void> {
  let text = '';
  return new Promise((resolve, reject) => {
    const listen = (part: Buffer): void => {
      text += part.toString();
      if (!text.includes(words)) return;
      child.stderr?.off('data', listen);
      resolve();
    };
    child.stderr?.on('data', listen);
    child.once('exit', (code) =>
      reject(new Error(`ended with ${code} before it said "${words}": ${text.slice(-2_000)}`)),
    );
  });
}
