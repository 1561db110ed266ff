import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ChangeoverError } from '../../core/errors.ts';
import { eventually, openWatched, PLACE, SESSION_MS } from './watched-subscription.ts';

describe('a consumer that kafkajs lets down', () => {
  it('is built anew when there is something to read and nothing comes, though it lives', async (t) => {
    const { first, member, next, typesOf } = await openWatched(t);
    first.live({ fetching: true });
    const second = await member(1);
    assert.ok(first.closed);
    assert.deepEqual(typesOf(), ['rebalanced', 'watchdog', 'member-lost']);
    second.live({ fetching: true });
    second.join(PLACE);
    await eventually(() => assert.equal(second.seeks.length, 1));
    await second.deliver(PLACE, 0, 100);
    assert.equal((await next()).records.length, 100);
  });

  it('is built anew when no fetch is answered any more', async (t) => {
    const { first, member, next, events } = await openWatched(t);
    first.live({ fetching: false });
    await first.deliver(PLACE, 0, 100);
    await next();
    await member(1);
    const watchdog = events.find((event) => event.type === 'watchdog');
    assert.match(watchdog?.reason ?? '', /nothing was fetched for/);
  });

  it('is left alone while it is the reader who keeps it waiting', async (t) => {
    const { first, next, typesOf } = await openWatched(t, { maxBufferedBytes: 3_000 });
    first.live({ fetching: false });
    await first.deliver(PLACE, 0, 10);
    const waiting = first.deliver(PLACE, 10, 10);
    await delay(SESSION_MS * 3);
    assert.deepEqual(typesOf(), ['rebalanced', 'fetched']);
    await next();
    await waiting;
    assert.equal((await next()).records[0]?.offset, 10);
  });

  it('reads its last record again at each look, and stops when it is another one', async (t) => {
    const { first, next, setWatermarks } = await openWatched(t);
    first.live({ fetching: true });
    setWatermarks({ end: 10 });
    await first.deliver(PLACE, 0, 10);
    await next();
    const readAgain = (times: number) =>
      eventually(() =>
        assert.deepEqual(
          first.seeks.slice(1),
          Array.from({ length: times }, () => ({ ...PLACE, offset: 9 })),
        ),
      );
    await readAgain(1);
    await first.deliver(PLACE, 9, 1);
    await readAgain(2);
    setWatermarks({ end: 11 });
    await first.deliver(PLACE, 9, 2, 'another');
    await assert.rejects(next(), { code: 'gap', message: /at offset 9 is another record/ });
  });

  it('takes nothing that was fetched before reading was sent elsewhere', async (t) => {
    const { first, next, typesOf } = await openWatched(t, { maxBufferedBytes: 3_000 });
    first.live({ fetching: true });
    await first.deliver(PLACE, 0, 10);
    const waiting = first.deliver(PLACE, 10, 10);
    first.stale = true;
    await next();
    await waiting;
    first.stale = false;
    await first.deliver(PLACE, 10, 5);
    assert.equal((await next()).records.length, 5);
    assert.deepEqual(typesOf(), ['rebalanced', 'fetched', 'fetched']);
  });

  it('has nothing that is current once the group was not heard for most of the session', async (t) => {
    const { subscription, first, member, next, typesOf } = await openWatched(t);
    await first.deliver(PLACE, 0, 100);
    const batch = await next();
    assert.ok(subscription.isCurrent(batch));
    // No timer of ours runs in this, as in a process that is stopped and goes on.
    const wakeAt = performance.now() + SESSION_MS;
    while (performance.now() < wakeAt);
    assert.ok(!subscription.isCurrent(batch));
    // The group answers again; what was delivered before stays void.
    first.live({ fetching: true });
    await subscription.commit(batch);
    assert.deepEqual(first.commits, []);
    await member(1);
    assert.deepEqual(typesOf(), ['rebalanced', 'fetched', 'lease-expired', 'member-lost']);
  });

  it('counts an answer of the group from when it was asked', async (t) => {
    const { subscription, first, next } = await openWatched(t);
    await first.deliver(PLACE, 0, 100);
    const batch = await next();
    first.pulse.confirmed(SESSION_MS);
    assert.ok(!subscription.isCurrent(batch));
  });

  it('waits out a commit that fails for a passing reason, however often, while it is alive', async (t) => {
    const { subscription, first, next } = await openWatched(t, { sleepFaster: 200 });
    first.live({ fetching: true });
    await first.deliver(PLACE, 0, 100);
    const batch = await next();
    let failures = 0;
    first.onCommit = () => {
      failures += 1;
      if (failures <= 40) throw new ChangeoverError('unreachable', 'no broker');
    };
    await subscription.commit(batch);
    assert.equal(failures, 41);
    assert.deepEqual(
      first.commits.map(({ offset }) => offset),
      [100],
    );
  });

  it('tells of a commit that fails for good', async (t) => {
    const { subscription, first, next } = await openWatched(t);
    first.live({ fetching: true });
    await first.deliver(PLACE, 0, 100);
    const batch = await next();
    first.onCommit = () => {
      throw new ChangeoverError('forbidden', 'not allowed');
    };
    await assert.rejects(subscription.commit(batch), { code: 'forbidden' });
  });
});
