import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import { type Running, start } from './process.ts';

const OLD_NODE = new URL('old-node.ts', import.meta.url).href;
const PROGRAM = fileURLToPath(new URL('../../bin/changeover.js', import.meta.url));

/** The program as a Node 20 runs it: it starts itself again on the Node beside it. */
function changeover(...args: readonly string[]): Running {
  return start(process.execPath, ['--import', OLD_NODE, PROGRAM, ...args]);
}

describe('on a Node that is too old, the program', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'changeover-old-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Works until it is stopped, and has started to: the inner process listens for signals from its first line on. */
  async function following(): Promise<Running & { readonly innerPid: number }> {
    const running = changeover('stack', 'logs', 'redis', '--follow', '--dir', folder);
    for (;;) {
      const innerPid = Number(readFileSync(`/proc/${running.pid}/task/${running.pid}/children`, 'utf8'));
      if (innerPid > 0 && catches(innerPid, 'SIGHUP')) return { ...running, innerPid };
      await sleep(50);
    }
  }

  it('runs on the one that npm installed beside it', async () => {
    const { code, stdout, stderr } = await changeover('--version').ended;
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${packageJson.version}\n`);
  });

  it('ends with the exit code of the command', async () => {
    assert.equal((await changeover('backfil').ended).code, 2);
  });

  it('ends by the signal that ended the command', async () => {
    const { innerPid, ended } = await following();
    process.kill(innerPid, 'SIGKILL');
    assert.equal((await ended).signal, 'SIGKILL');
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`passes a ${signal} on that only it was sent`, async () => {
      const { pid, ended } = await following();
      process.kill(pid, signal);
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /Stopping/);
    });
  }

  it('does not make two of the one Ctrl-C that a terminal sends to both', async () => {
    const { pid, ended } = await following();
    process.kill(-pid, 'SIGINT');
    const { code, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Stopping.*let go/s);
  });
});

const BITS = { SIGHUP: 1n } as const;

/** Whether the process has a handler of its own for the signal. */
function catches(pid: number, signal: keyof typeof BITS): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) & BITS[signal]) !== 0n;
}
