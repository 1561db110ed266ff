import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Running, start } from './process.ts';

const SLOW_STOP = fileURLToPath(new URL('slow-stop.ts', import.meta.url));

async function working(): Promise<Running> {
  const running = start(process.execPath, [SLOW_STOP]);
  await running.said('working');
  return running;
}

describe('a command that is told to stop', () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`finishes what is under way on ${signal}`, async () => {
      const { child, ended } = await working();
      child.kill(signal);
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /Stopping; once more stops at once\.\nlet go\n$/);
    });
  }

  it('takes the same Ctrl-C from its terminal and from its parent for one', async () => {
    const { child, ended } = await working();
    child.kill('SIGINT');
    // Two of one kind that wait to be delivered are one to the kernel, so the other one is of another kind.
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.equal(stderr.match(/Stopping/g)?.length, 1);
    assert.match(stderr, /let go\n$/);
  });

  it('ends at once when it is told again', async () => {
    const { child, said, ended } = await working();
    child.kill('SIGINT');
    await said('once more');
    await sleep(1_100);
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    assert.equal(code, 130);
    assert.doesNotMatch(stderr, /let go/);
  });
});
