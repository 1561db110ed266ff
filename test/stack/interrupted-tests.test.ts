/** `npm test` stops what it has started, however it ends; where it cannot, the next one says so. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStack } from '../../stack/stack.ts';
import { cli } from '../support/cli.ts';
import { processesOf } from '../support/processes.ts';

/** Longer than what counts as one press. */
const BETWEEN_PRESSES_MS = 1_300;

interface TestRun {
  readonly temporary: string;
  /** To all of its processes, as a terminal does it, or to the first one alone. */
  signal(name: NodeJS.Signals, to?: 'all' | 'first'): void;
  /** Resolves when it has said something like this; throws when it ends before. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  ended(): Promise<{ readonly code: number | null; readonly text: string }>;
}

async function startTests(test: TestContext, file: string): Promise<TestRun> {
  const temporary = await mkdtemp(join(tmpdir(), 'changeover-interrupted-'));
  const { CHANGEOVER_TEST_STACK: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
  const child = spawn(process.execPath, ['scripts/test.ts', file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, TMPDIR: temporary },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const closed = once(child, 'close');
  test.after(async () => {
    child.kill('SIGKILL');
    await closed;
    const shared = /in (\.changeover\/test-\w+)/.exec(text)?.[1];
    if (shared !== undefined) await (await openStack({ dir: shared })).reset();
    await rm(temporary, { recursive: true, force: true });
  });
  return {
    temporary,
    signal: (name, to = 'all') => process.kill((to === 'all' ? -1 : 1) * (child.pid ?? 0), name),
    async said(pattern) {
      for (;;) {
        const found = pattern.exec(text);
        if (found !== null) return found;
        assert.equal(child.exitCode, null, text);
        await sleep(20);
      }
    },
    async ended() {
      const [code] = await closed;
      return { code, text };
    },
  };
}

async function folderOf(run: TestRun): Promise<string> {
  return (await run.said(/in (\.changeover\/test-\w+)/))[1] ?? '';
}

function assertGone(folder: string): void {
  assert.deepEqual(processesOf(resolve(folder)), []);
  assert.equal(existsSync(folder), false, folder);
}

/** Does what the text says. */
async function resetAsTold(text: string, folder: string): Promise<void> {
  const command = `stack reset --dir ${folder}`;
  assert.match(text, new RegExp(`bin/changeover.js ${command}$`, 'm'));
  assert.equal((await cli(command.split(' '))).code, 0);
  assertGone(folder);
}

describe('a run of the tests', { concurrency: 2 }, () => {
  for (const [signal, to] of [
    ['SIGINT', 'all'],
    ['SIGHUP', 'first'],
  ] as const) {
    it(`that gets ${signal} while its servers start leaves nothing`, async (test) => {
      const run = await startTests(test, 'test/contract/log-kafka.test.ts');
      await run.said(/redis +ready/);
      const folder = await folderOf(run);
      run.signal(signal, to);
      const { code, text } = await run.ended();
      assert.equal(code, 130);
      // Nor does it go on starting the slowest of them.
      assert.doesNotMatch(text, /neo4j +ready/);
      assertGone(folder);
      assert.deepEqual(readdirSync(run.temporary), []);
    });
  }

  it('leaves nothing of the servers that a test had started for itself', async (test) => {
    const run = await startTests(test, 'test/stack/few-services.test.ts');
    while (globSync(`${run.temporary}/**/postgres.pid`).length === 0) await sleep(20);
    run.signal('SIGTERM');
    assert.equal((await run.ended()).code, 130);
    assertGone(join(run.temporary, 'changeover-tests-'));
    assert.deepEqual(readdirSync(run.temporary), []);
  });

  it('ends at once at the second Ctrl-C, and says what stays', async (test) => {
    const run = await startTests(test, 'test/contract/log-kafka.test.ts');
    await run.said(/redis +ready/);
    const folder = await folderOf(run);
    // A server that takes its time.
    const redis = Number(readFileSync(join(folder, 'run/redis.pid'), 'latin1').split(' ')[1]);
    process.kill(redis, 'SIGSTOP');
    test.after(() => existsSync(`/proc/${redis}`) && process.kill(redis, 'SIGCONT'));
    run.signal('SIGINT');
    await run.said(/Stopping/);
    run.signal('SIGINT');
    await sleep(BETWEEN_PRESSES_MS);
    const pressedMs = Date.now();
    run.signal('SIGINT');
    const { code, text } = await run.ended();
    assert.equal(code, 130);
    // Redis would be waited for for half a minute.
    assert.ok(Date.now() - pressedMs < 10_000);
    process.kill(redis, 'SIGCONT');
    await resetAsTold(text, folder);
  });

  it('that was killed is named by the next one', async (test) => {
    const killed = await startTests(test, 'test/contract/log-kafka.test.ts');
    await killed.said(/redis +ready/);
    const folder = await folderOf(killed);
    const meanwhile = await startTests(test, 'test/core/text.test.ts');
    assert.doesNotMatch((await meanwhile.ended()).text, new RegExp(`${folder} was left`));
    killed.signal('SIGKILL');
    await killed.ended();
    const next = await startTests(test, 'test/core/text.test.ts');
    const { code, text } = await next.ended();
    assert.equal(code, 0);
    await resetAsTold(text, folder);
  });
});
