import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeoverError } from '../../core/errors.ts';
import type { RelayEvent } from '../../producers/relay/events.ts';
import type { Change } from '../../schemas/change.ts';
import { agentWrite, MemoryCapture } from '../support/memory-capture.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { assertInOrder, fill, listeningLogger, startRelay, until, watchedLog } from './relay-support.ts';

const away = () => new ChangeoverError('unreachable', 'it is away');
const isAgent =
  (...variants: readonly number[]) =>
  ({ after }: Change): boolean =>
    after !== null && 'attributes' in after && variants.includes(Number(after.attributes.variant));

describe('a relay', () => {
  it('moves every entry into the log once, in order per key, with many calls under way', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    let underWay = 0;
    let most = 0;
    log.before = async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await sleep(5);
      underWay -= 1;
    };
    await fill(outbox, 500);
    const running = startRelay(outbox, log);
    await fill(outbox, 500);
    await until(() => outbox.items.length === 0);
    await running.stop();
    assert.equal(log.published.length, 1_000);
    assertInOrder(log.calls.flat());
    assert.ok(most > 5 && most <= 20, `${most} calls of 10 under way, at most 200 entries`);
    const { published, discarded, republished, setAside } = running.relay.progress();
    assert.deepEqual([published, discarded, republished, setAside], [1_000, 1_000, 0, 0]);
  });

  it('publishes an entry as soon as it is there', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    const running = startRelay(outbox, log);
    await until(() => running.relay.progress().holding);
    await sleep(50);
    const delays: number[] = [];
    for (let number = 0; number < 20; number++) {
      const startMs = performance.now();
      const before = log.calls.length;
      await fill(outbox, 1);
      while (log.calls.length === before) await new Promise(setImmediate);
      delays.push(performance.now() - startMs);
    }
    await running.stop();
    const median = delays.sort((a, b) => a - b)[10] ?? 0;
    assert.ok(median < 5, `${median} ms`);
  });

  it('discards nothing that the log has not confirmed, and nothing before what is older', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    const hold = Promise.withResolvers<void>();
    log.before = (_changes, call) => (call === 2 ? hold.promise : undefined);
    await fill(outbox, 50);
    const running = startRelay(outbox, log);
    await until(() => log.published.length === 40);
    await sleep(30);
    assert.equal(outbox.items.length, 40, 'the first call has gone, those behind the second have not');
    hold.resolve();
    await until(() => outbox.items.length === 0);
    await running.stop();
  });

  it('publishes again after a failure, from the oldest on, with the same events', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    log.before = async (_changes, call) => {
      await sleep(2);
      if (call === 3) throw away();
    };
    await fill(outbox, 60);
    const captured = outbox.items.flatMap((item) => ('entry' in item ? [item.entry.change.eventId] : []));
    const running = startRelay(outbox, log);
    await until(() => outbox.items.length === 0);
    await running.stop();
    const events = log.published.map(({ eventId }) => eventId);
    assert.deepEqual([...new Set(events)].sort(), [...captured].sort());
    // The 10 of the failed call are not in the log twice, but the relay cannot know.
    assert.equal(running.relay.progress().republished, events.length - 60 + 10);
    // What comes last of each key is its newest, whatever was repeated before.
    assert.deepEqual(
      log.published.slice(-40).map(({ eventId }) => eventId),
      captured.slice(-40),
    );
  });

  it('begins again only when everything under way has settled', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    const hold = Promise.withResolvers<void>();
    log.before = async (_changes, call) => {
      if (call > 3) return;
      await (call === 2 ? hold.promise : sleep(20));
      if (call === 1) throw away();
    };
    await fill(outbox, 30);
    const running = startRelay(outbox, log);
    await until(() => log.calls.length === 3);
    await sleep(200);
    assert.equal(log.calls.length, 3);
    hold.resolve();
    await until(() => outbox.items.length === 0);
    await running.stop();
  });

  it('killed between publishing and discarding, is followed by one that publishes the same events', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 300 });
    const first = await watchedLog();
    await fill(outbox, 30);
    outbox.before = (call) => (call === 'discard' ? new Promise(() => {}) : undefined);
    const killed = startRelay(outbox, first, { stopTimeoutMs: 50 });
    await until(() => first.published.length === 30);
    await killed.stop();
    assert.equal(outbox.items.length, 30);
    outbox.before = () => {};
    const second = await watchedLog();
    const running = startRelay(outbox, second);
    await until(() => outbox.items.length === 0);
    await running.stop();
    const events = (changes: readonly Change[]) => changes.map(({ eventId, version }) => [eventId, version]);
    assert.deepEqual(events(second.published), events(first.published));
  });

  it('finishes what is under way when it is stopped, and gives up the claim', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 60_000 });
    const log = await watchedLog();
    log.before = () => sleep(100);
    await fill(outbox, 40);
    const running = startRelay(outbox, log);
    await until(() => log.calls.length === 4);
    await running.stop();
    assert.deepEqual([log.published.length, outbox.items.length, log.open], [40, 0, 0]);
    assert.ok(await new MemoryCapture(outbox).claim());
  });

  it('stops in time when the log does not answer and the store does not either', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    outbox.before = (call) => (call === 'discard' ? new Promise(() => {}) : undefined);
    await fill(outbox, 10);
    const running = startRelay(outbox, log, { stopTimeoutMs: 100 });
    await until(() => log.published.length === 10);
    const startMs = performance.now();
    await running.stop();
    assert.ok(performance.now() - startMs < 1_000);
    assert.equal(outbox.items.length, 10);
  });

  it('waits out a log and a store that are away, and warns once', async () => {
    const outbox = new MemoryOutbox({ renewWithinMs: 60_000 });
    const log = await watchedLog();
    const logger = listeningLogger();
    let failures = 0;
    const failing = () => {
      failures += 1;
      throw away();
    };
    log.before = failing;
    await fill(outbox, 10);
    const running = startRelay(outbox, log, { logger });
    await until(() => failures >= 4);
    log.before = () => {};
    await until(() => outbox.items.length === 0);
    outbox.before = failing;
    await fill(outbox, 10);
    await until(() => failures >= 8);
    outbox.before = () => {};
    await until(() => outbox.items.length === 0);
    await running.stop();
    assert.equal(log.published.length, 20);
    assert.ok(logger.said.length <= 2, JSON.stringify(logger.said));
    assert.match(String(logger.said[0]?.fields.reason), /it is away/);
  });

  it('gives up with the error that waiting cannot mend', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    log.before = () => {
      throw new ChangeoverError('forbidden', 'no right to write');
    };
    await fill(outbox, 10);
    const running = startRelay(outbox, log);
    await assert.rejects(running.ended, { code: 'forbidden' });
    assert.equal(outbox.items.length, 10);
    assert.ok(await new MemoryCapture(outbox).claim(), 'the claim was given up');
  });

  it('sets aside what cannot be read or is refused, names it, and moves the rest in order', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    const logger = listeningLogger();
    const events: RelayEvent[] = [];
    log.before = async (changes) => {
      if (changes.some(isAgent(13, 14, 31))) throw new ChangeoverError('change-rejected', 'too large');
    };
    await fill(outbox, 25);
    outbox.appendUnreadable('list agent:9', 'not JSON');
    const capture = new MemoryCapture(outbox);
    for (let variant = 25; variant < 60; variant++)
      await capture.write([agentWrite(`a${variant % 7}`, variant)]);
    const running = startRelay(outbox, log, { logger, onEvent: (event) => events.push(event) });
    await until(() => outbox.items.length === 0);
    await running.stop();
    assert.equal(new Set(log.published.map(({ eventId }) => eventId)).size, 57);
    assertInOrder(log.published);
    const reasons = outbox.setAside.map(({ reason }) => reason);
    assert.deepEqual(reasons.toSorted(), ['not JSON', 'too large', 'too large', 'too large']);
    assert.equal(events.filter(({ type }) => type === 'set-aside').length, 4);
    const errors = logger.said.filter(({ level }) => level === 'error').map(({ fields }) => fields.where);
    assert.ok(errors.includes('list agent:9'));
    assert.ok(
      errors.some((where) => /^agent a6, version \d+$/.test(String(where))),
      String(errors),
    );
  });

  it('ends when the outbox is empty, where that is asked for', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    await fill(outbox, 35);
    await startRelay(outbox, log, { untilEmpty: true }).ended;
    assert.deepEqual([log.published.length, outbox.items.length], [35, 0]);
  });

  it('ends with its error when a discard fails for good, also while it recovers from something that passed', async () => {
    const outbox = new MemoryOutbox();
    const log = await watchedLog();
    log.before = (_, call) => {
      if (call === 2) throw new ChangeoverError('unreachable', 'the log is away for a moment');
    };
    outbox.before = async (call) => {
      if (call !== 'discard') return;
      await sleep(5);
      throw new ChangeoverError('forbidden', 'no right to remove anything');
    };
    await fill(outbox, 20);
    const { relay, ended } = startRelay(outbox, log, { maxInFlight: 50 });
    await assert.rejects(ended, /no right to remove anything/);
    assert.equal(relay.progress().holding, false);
    assert.equal(outbox.items.length, 20);
  });
});
