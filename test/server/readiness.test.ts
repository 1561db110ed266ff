import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Clock, systemClock } from '../../core/clock.ts';
import { captureReadiness, createReadiness, logReadiness } from '../../server/readiness.ts';
import { MemoryCapture } from '../support/memory-capture.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { agentChange, startServer } from './support.ts';

/** Time passes only when a test says so. */
function handClock() {
  let nowMs = 0;
  const clock: Clock = { ...systemClock, elapsedMs: () => nowMs };
  return {
    clock,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('readiness', () => {
  it('is that every origin is captured and its outbox has room; the answer is 200 or 503', async (t) => {
    const { clock, pass } = handClock();
    const outbox = new MemoryOutbox({ maxEntries: 1 });
    const capture = new MemoryCapture(outbox);
    const checks = new Map([['legacy.redis', captureReadiness('legacy.redis', capture)]]);
    const server = await startServer(t, { outbox, context: { ready: createReadiness(checks, clock) } });
    const ready = await server.get('/readyz');
    assert.equal(ready.status, 200);
    assert.deepEqual(ready.json as unknown, {
      ready: true,
      checks: [{ name: 'legacy.redis', ok: true, detail: 'in memory; 0 of 1 entries wait for the log' }],
    });
    await server.post(agentChange('a'));
    pass(1_000);
    assert.equal((await server.get('/readyz')).status, 503);
    outbox.remove(['e1']);
    pass(1_000);
    assert.equal((await server.get('/readyz')).status, 200);
    outbox.active = false;
    pass(1_000);
    const inactive = await server.get('/readyz');
    assert.equal(inactive.status, 503);
    assert.match(inactive.text, /not installed/);
    assert.equal((await server.get('/healthz')).status, 200);
  });

  it('asks at most once a second, however often it is asked', async () => {
    const { clock, pass } = handClock();
    let asked = 0;
    const check = async () => {
      asked++;
      return { name: 'x', ok: true, detail: '' };
    };
    const ready = createReadiness(new Map([['x', check]]), clock);
    for (let i = 0; i < 10; i++) await ready();
    assert.equal(asked, 1);
    pass(1_000);
    await ready();
    assert.equal(asked, 2);
  });

  it('is not there when the answer does not come, or is an error', async () => {
    const never = () => new Promise<never>(() => {});
    const quick: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(10, signal) };
    const broken = logReadiness({ ready: () => Promise.reject(new Error('no broker answers')) });
    const checks = await createReadiness(
      new Map([
        ['slow', never],
        ['log', broken],
      ]),
      quick,
    )();
    assert.deepEqual(checks, [
      { name: 'slow', ok: false, detail: 'no answer within 2000 ms' },
      { name: 'log', ok: false, detail: 'no broker answers' },
    ]);
  });
});
