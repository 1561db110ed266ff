import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { RateLimiter } from '../../core/rate-limiter.ts';

describe('a rate limiter', () => {
  it('keeps to its rate, in the order of the calls', async () => {
    const limiter = new RateLimiter(systemClock, 100);
    const startedMs = performance.now();
    const order: number[] = [];
    await Promise.all([1, 2, 3].map(async (number) => order.push(await limiter.take(10).then(() => number))));
    const tookMs = performance.now() - startedMs;
    assert.deepEqual(order, [1, 2, 3]);
    assert.ok(tookMs >= 190 && tookMs < 400, `${tookMs} ms for two waits of 100 ms`);
  });

  it('lets whoever waits go on at once when the rate is raised', async () => {
    const limiter = new RateLimiter(systemClock, 1);
    await limiter.take(1_000);
    const waiting = limiter.take(1);
    await sleep(20);
    const startedMs = performance.now();
    limiter.set(Number.POSITIVE_INFINITY);
    await waiting;
    assert.ok(performance.now() - startedMs < 50);
  });

  it('stops at 0, and goes on when it is given a rate again', async () => {
    const limiter = new RateLimiter(systemClock, 0);
    let passed = false;
    const waiting = limiter.take(1).then(() => {
      passed = true;
    });
    await sleep(50);
    assert.equal(passed, false);
    limiter.set(1_000);
    await waiting;
  });

  it('lets go of whoever waits when they are stopped', async () => {
    const limiter = new RateLimiter(systemClock, 0);
    const stop = new AbortController();
    const waiting = [limiter.take(1, stop.signal), limiter.take(1, stop.signal)];
    stop.abort();
    for (const each of await Promise.allSettled(waiting)) assert.equal(each.status, 'rejected');
  });
});
