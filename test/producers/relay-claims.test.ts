import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeoverError } from '../../core/errors.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { assertInOrder, fill, startRelay, until, watchedLog } from './relay-support.ts';

describe('relays on one outbox', () => {
  it('work one at a time, and the one that waits takes over', async () => {
    const outbox = new MemoryOutbox();
    const [first, second] = [await watchedLog(), await watchedLog()];
    await fill(outbox, 20);
    const working = startRelay(outbox, first);
    await until(() => outbox.items.length === 0);
    const waiting = startRelay(outbox, second);
    await fill(outbox, 20);
    await until(() => outbox.items.length === 0);
    assert.deepEqual([first.calls.flat().length, second.calls.length], [40, 0]);
    assert.deepEqual([working.relay.progress().holding, waiting.relay.progress().holding], [true, false]);
    await working.stop();
    await fill(outbox, 20);
    await until(() => outbox.items.length === 0);
    assert.equal(second.published.length, 20);
    await waiting.stop();
    assertInOrder([...first.published, ...second.published]);
  });

  it('keep the claim while the log is away for longer than the claim lasts', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 150 });
    const log = await watchedLog();
    const hold = Promise.withResolvers<void>();
    log.before = () => hold.promise;
    await fill(outbox, 10);
    const running = startRelay(outbox, log);
    await until(() => log.calls.length === 1);
    const other = startRelay(outbox, await watchedLog());
    await sleep(1_500);
    assert.deepEqual([running.relay.progress().holding, other.relay.progress().holding], [true, false]);
    await other.stop();
    hold.resolve();
    await until(() => outbox.items.length === 0);
    await running.stop();
    assert.equal(log.published.length, 10);
  });

  it('publish nothing any more once the claim is lost, and go on when they have it again', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 150 });
    const log = await watchedLog();
    const running = startRelay(outbox, log);
    await fill(outbox, 10);
    await until(() => outbox.items.length === 0);
    const giveBack = outbox.stealClaim();
    await until(() => !running.relay.progress().holding);
    assert.equal(log.open, 0);
    await fill(outbox, 10);
    await sleep(300);
    assert.equal(log.calls.flat().length, 10);
    giveBack();
    await until(() => outbox.items.length === 0);
    await running.stop();
    assert.equal(log.published.length, 20);
  });

  it('publish nothing any more when the claim could not be renewed in time', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 200 });
    const log = await watchedLog();
    const running = startRelay(outbox, log);
    await until(() => running.relay.progress().holding);
    outbox.before = (call) => {
      if (call === 'renew' || call === 'claim') throw new ChangeoverError('timeout', 'no answer');
    };
    await until(() => !running.relay.progress().holding);
    await fill(outbox, 10);
    await sleep(300);
    assert.equal(log.calls.length, 0);
    outbox.before = () => {};
    await until(() => outbox.items.length === 0);
    await running.stop();
  });

  it('see the loss of the claim where they discard', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 60_000 });
    const log = await watchedLog();
    const hold = Promise.withResolvers<void>();
    log.before = () => hold.promise;
    await fill(outbox, 10);
    const running = startRelay(outbox, log);
    await until(() => log.calls.length === 1);
    const giveBack = outbox.stealClaim();
    hold.resolve();
    await until(() => !running.relay.progress().holding);
    assert.equal(outbox.items.length, 10);
    giveBack();
    await until(() => outbox.items.length === 0);
    await running.stop();
    assert.deepEqual(
      log.published.slice(0, 10).map(({ eventId }) => eventId),
      log.published.slice(10).map(({ eventId }) => eventId),
    );
  });

  it('do not publish after a pause of the whole process in which the claim ran out', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 300 });
    const elsewhere = new MemoryOutbox();
    await fill(elsewhere, 5);
    const log = await watchedLog();
    const running = startRelay(outbox, log);
    await until(() => running.relay.progress().holding);
    await sleep(20);
    // Entries arrive, and before anything else can happen the process stands still for longer than the claim lasts.
    for (const item of elsewhere.items) if ('entry' in item) outbox.append(item.entry.change);
    const untilMs = performance.now() + 400;
    while (performance.now() < untilMs);
    const giveBack = outbox.stealClaim();
    await sleep(50);
    assert.equal(log.calls.length, 0);
    giveBack();
    await until(() => outbox.items.length === 0);
    await running.stop();
  });
});
