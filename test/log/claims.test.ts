import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ChangeoverError } from '../../core/errors.ts';
import { Claims } from '../../log/kafka/claims.ts';
import { Pulse } from '../../log/kafka/pulse.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { eventually, openWatched, PLACE } from './watched-subscription.ts';

const LONG_SESSION_MS = 30_000;

async function working(t: Parameters<typeof openWatched>[0]) {
  const opened = await openWatched(t, { sessionMs: LONG_SESSION_MS });
  opened.first.live({ fetching: true });
  await opened.first.deliver(PLACE, 0, 100);
  const batch = await opened.next();
  const claim = opened.subscription.claim(batch);
  assert.ok(claim);
  return { ...opened, batch, claim };
}

describe('a member of a group whose partitions are shared out anew', () => {
  it('asks for its part only when the work that it has begun is at its end', async (t) => {
    const { subscription, first, batch, claim } = await working(t);
    let asked = false;
    const asking = first.askToJoin().then(() => {
      asked = true;
    });
    assert.ok(!subscription.isCurrent(batch));
    assert.equal(subscription.claim(batch), undefined);
    await subscription.commit(batch);
    assert.equal(first.commits.length, 1);
    await delay(50);
    assert.equal(asked, false);
    claim.release();
    await asking;
  });

  it('does not wait for a commit that fails again and again: the others wait for it', async (t) => {
    const { subscription, first, batch, claim } = await working(t);
    first.onCommit = () => {
      throw new ChangeoverError('unreachable', 'This is not the coordinator of the group.');
    };
    const committing = subscription.commit(batch).finally(() => claim.release());
    await delay(100);
    const askedMs = performance.now();
    await Promise.all([first.askToJoin(), committing]);
    assert.ok(performance.now() - askedMs < 5_000);
    assert.deepEqual(first.commits, []);
    // What was not committed comes again.
    first.onCommit = () => {};
    first.join(PLACE);
    await eventually(() => assert.equal(first.seeks.length, 2));
    assert.equal(first.seeks.at(-1)?.offset, 0);
  });

  it('takes nothing more until it has its part, and goes on then', async (t) => {
    const { subscription, first, next, claim } = await working(t);
    const asking = first.askToJoin();
    await first.deliver(PLACE, 100, 50);
    claim.release();
    await asking;
    first.join(PLACE);
    await eventually(() => assert.equal(first.seeks.length, 2));
    await first.deliver(PLACE, 0, 100);
    const batch = await next();
    assert.equal(batch.records[0]?.offset, 0);
    assert.ok(subscription.claim(batch));
  });

  it('leaves the group when the work is at its end, and not before', async (t) => {
    const { subscription, first, claim } = await working(t);
    const closing = subscription.close();
    await delay(50);
    assert.equal(first.closed, false);
    claim.release();
    await closing;
    assert.deepEqual([first.closed, first.abandoned], [true, false]);
  });

  it('does not leave, but falls silent, when it is closed and the work does not end', async (t) => {
    const { subscription, first, claim } = await working(t);
    await subscription.close();
    assert.equal(first.abandoned, true);
    assert.equal(claim.remainingMs(), 0);
    claim.release();
  });

  it('makes no other member while work of the one before is under way', async (t) => {
    const { first, member, claim, members } = await working(t);
    first.end(new ChangeoverError('unreachable', 'gone'));
    await delay(1_000);
    assert.equal(members.length, 1);
    claim.release();
    await member(1);
    assert.equal(first.abandoned, false);
  });
});

describe('a claim', () => {
  const openClaims = () => {
    const clock = new ManualClock();
    const pulse = new Pulse({ clock, sessionTimeoutMs: 30_000 });
    pulse.joined(0);
    return { clock, pulse, claims: new Claims(clock) };
  };

  it('lasts as long as the lease, which a sign of life prolongs', () => {
    const { clock, pulse, claims } = openClaims();
    const claim = claims.open(pulse);
    assert.equal(claim.remainingMs(), 24_000);
    clock.pass(20_000);
    assert.equal(claim.remainingMs(), 4_000);
    pulse.confirmed(1_000);
    assert.equal(claim.remainingMs(), 23_000);
    clock.pass(60_000);
    assert.equal(claim.remainingMs(), 0);
  });

  it('lasts no longer than others wait for, once they do', async () => {
    const { clock, pulse, claims } = openClaims();
    const claim = claims.open(pulse);
    const handedOver = claims.handOver();
    assert.equal(claim.remainingMs(), 20_000);
    pulse.confirmed(0);
    clock.pass(20_000);
    assert.equal(claim.remainingMs(), 0);
    assert.equal(await handedOver, false);
    claim.release();
    assert.equal(await claims.handOver(), true);
    claims.begin();
    pulse.confirmed(0);
    assert.equal(claims.open(pulse).remainingMs(), 24_000);
  });
});
