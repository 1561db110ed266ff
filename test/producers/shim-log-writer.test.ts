import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EntityWrite } from '../../connectors/capture.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { upsertOf } from '../../producers/shim/entities.ts';
import { createLogWriter, LOG_FIRST_STORE } from '../../producers/shim/log-writer.ts';
import type { Change } from '../../schemas/change.ts';
import { sampleEntity, TEST_SPACE } from '../support/entities.ts';
import { changesIn, openTestLog } from '../support/memory-log.ts';

const SETTINGS = { maxChangeBytes: 10_000, writer: 'w:1' };

const agentWrite = (id: string, eventId?: string): EntityWrite =>
  upsertOf('agent', sampleEntity('agent', { name: id }), eventId);

/** A publisher that holds back what it confirms. */
function heldPublisher() {
  const calls: { readonly changes: readonly Change[]; confirm(): void; fail(error: unknown): void }[] = [];
  return {
    calls,
    publish: (changes: readonly Change[]) =>
      new Promise<void>((resolve, reject) => calls.push({ changes, confirm: resolve, fail: reject })),
  };
}

function clockAt(nowUs: () => number): Clock {
  return { ...systemClock, nowUs };
}

describe('the log writer', () => {
  it('publishes what is said, and resolves with versions when the log has it', async () => {
    const log = await openTestLog();
    const writer = createLogWriter({
      publisher: await log.publisher(),
      settings: SETTINGS,
      clock: systemClock,
    });
    const writes: EntityWrite[] = [agentWrite('a', 'e1'), { kind: 'agent', key: 'b', entity: null }];
    const results = await writer.write(writes, 'ingest');
    const changes = await changesIn(log);
    const byKey = new Map(changes.map((change) => [change.key, change]));
    assert.deepEqual(results, [
      { status: 'written', version: byKey.get('a')?.version },
      { status: 'written', version: byKey.get('b')?.version },
    ]);
    const { op, origin, eventId } = byKey.get('a') ?? {};
    assert.deepEqual(
      [op, { ...origin }, eventId],
      ['u', { path: 'ingest', store: LOG_FIRST_STORE, writer: 'w:1' }, 'e1'],
    );
    assert.deepEqual([byKey.get('b')?.op, byKey.get('b')?.after], ['d', null]);
    await log.close();
  });

  it('stamps strictly increasing versions, also within one tick, after the clock went back, and past what it has seen', async () => {
    let nowUs = 5_000_000_000;
    const held = heldPublisher();
    const writer = createLogWriter({ publisher: held, settings: SETTINGS, clock: clockAt(() => nowUs) });
    void writer.write([agentWrite('a'), agentWrite('a')]);
    nowUs -= 1_000_000;
    void writer.write([agentWrite('a')]);
    writer.observe(6_000_000_000);
    void writer.write([agentWrite('a')]);
    nowUs = 7_000_000_000;
    writer.observe(1);
    void writer.write([agentWrite('a')]);
    const versions = held.calls.flatMap(({ changes }) => changes.map(({ version }) => version));
    assert.deepEqual(versions, [5_000_000_000, 5_000_000_001, 5_000_000_002, 6_000_000_001, 7_000_000_000]);
  });

  it('does an event with one id once, also while the first is under way', async () => {
    const held = heldPublisher();
    const writer = createLogWriter({ publisher: held, settings: SETTINGS, clock: systemClock });
    const first = writer.write([agentWrite('a', 'e'), agentWrite('a', 'e')]);
    const meanwhile = writer.write([agentWrite('a', 'e'), agentWrite('b', 'f')]);
    let answered = false;
    void meanwhile.then(() => {
      answered = true;
    });
    assert.deepEqual(
      held.calls.map(({ changes }) => changes.map(({ key }) => key)),
      [['a'], ['b']],
    );
    held.calls[1]?.confirm();
    await systemClock.sleep(10);
    assert.equal(answered, false, 'it was answered before the first was durable');
    held.calls[0]?.confirm();
    const [{ version = 0 } = {}] = (await first) as readonly { version?: number }[];
    assert.deepEqual(
      (await first).map(({ status }) => status),
      ['written', 'repeated'],
    );
    assert.deepEqual((await meanwhile)[0], { status: 'repeated', version });
    assert.deepEqual(await writer.write([agentWrite('a', 'e')]), [{ status: 'repeated', version }]);
  });

  it('rejects when the log did not confirm, and takes the same event again', async () => {
    const held = heldPublisher();
    const writer = createLogWriter({ publisher: held, settings: SETTINGS, clock: systemClock });
    const first = writer.write([agentWrite('a', 'e')]);
    held.calls[0]?.fail(new ChangeoverError('timeout', 'the log does not answer'));
    await assert.rejects(first, { code: 'timeout' });
    const again = writer.write([agentWrite('a', 'e')]);
    held.calls[1]?.confirm();
    assert.equal((await again)[0]?.status, 'written');
  });

  it('remembers a bounded number of events, and forgets the one not seen for longest', async () => {
    const log = await openTestLog();
    const writer = createLogWriter({
      publisher: await log.publisher(),
      settings: SETTINGS,
      clock: systemClock,
      rememberEvents: 2,
    });
    const statusOf = async (eventId: string): Promise<string | undefined> =>
      (await writer.write([agentWrite('a', eventId)]))[0]?.status;
    for (const eventId of ['1', '2']) assert.equal(await statusOf(eventId), 'written');
    assert.equal(await statusOf('1'), 'repeated');
    assert.equal(await statusOf('3'), 'written');
    assert.equal(await statusOf('1'), 'repeated');
    assert.equal(await statusOf('2'), 'written');
    await log.close();
  });

  it('rejects what the log or a store would refuse, with its size or space, and sends the rest', async () => {
    const held = heldPublisher();
    const space = { ...TEST_SPACE, dimension: 9 };
    const writer = createLogWriter({ publisher: held, settings: { ...SETTINGS, space }, clock: systemClock });
    const large = sampleEntity('agent', { name: 'l', scalars: { note: 'x'.repeat(20_000) } });
    const writing = writer.write([
      upsertOf('agent', large),
      upsertOf('embedding', sampleEntity('embedding', { name: 'e' })),
      agentWrite('good'),
      { kind: 'agent', key: '', entity: null },
    ]);
    held.calls[0]?.confirm();
    const results = await writing;
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'written', 'rejected'],
    );
    const [size, other] = results.map((result) => ('reason' in result ? result.reason : ''));
    assert.match(size ?? '', /has 20\d{3} bytes, more than the 10000/);
    assert.match(other ?? '', /another embedding space.*dimension 8 instead of 9/);
    assert.deepEqual(
      held.calls.map(({ changes }) => changes.map(({ key }) => key)),
      [['good']],
    );
  });
});
