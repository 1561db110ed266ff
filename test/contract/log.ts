import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ChangeoverError, type ErrorCode } from '../../core/errors.ts';
import {
  type Log,
  type LogRecord,
  lagOf,
  type RecordBatch,
  type Subscription,
  type SubscriptionEvent,
} from '../../log/log.ts';
import type { Change } from '../../schemas/change.ts';
import { createCodec } from '../../schemas/codec.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { removal, upsert } from '../support/changes.ts';
import { HOSTILE_TEXTS, sampleEntity } from '../support/entities.ts';
import { eventually as eventuallyWithin } from '../support/eventually.ts';

export interface OpenOptions {
  readonly prefix: string;
  readonly partitions: number;
  readonly writer: string;
  readonly maxChangeBytes: number;
}

/** What an implementation says of itself. */
export interface LogUnderContract {
  /** A log as another process would open it: nothing shared with the others but what the options name. */
  open(options: OpenOptions): Promise<Log>;
  /** How long a member may be silent before its group drops it. */
  readonly sessionTimeoutMs: number;
}

const PARTITIONS = 4;
const PATIENCE_MS = 30_000;
const codec = createCodec();

/** The promises of log/log.ts, held against one implementation. */
export function logContract(name: string, subject: LogUnderContract): void {
  describe(`${name} keeps the log contract`, { concurrency: false }, () => {
    const world = new World(subject);
    after(() => world.close());
    publishingContract(world);
    deliveryContract(world);
    groupContract(world, subject.sessionTimeoutMs);
    controlContract(world);
    topicsContract(world);
    closingContract(world);
  });
}

/** Opens logs and closes them all at the end. */
class World {
  readonly #subject: LogUnderContract;
  readonly #opened: Log[] = [];

  constructor(subject: LogUnderContract) {
    this.#subject = subject;
  }

  /** A prepared log with topics of its own. */
  async fresh(options: Partial<OpenOptions> = {}): Promise<{ readonly log: Log; readonly prefix: string }> {
    const prefix = uniquePrefix();
    const log = await this.open(prefix, options);
    await log.prepare();
    return { log, prefix };
  }

  async open(prefix: string, options: Partial<OpenOptions> = {}): Promise<Log> {
    const defaults = { partitions: PARTITIONS, writer: 'contract', maxChangeBytes: 100_000 };
    const log = await this.#subject.open({ ...defaults, ...options, prefix });
    this.#opened.push(log);
    return log;
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((log) => log.close()));
  }
}

function uniquePrefix(): string {
  return `t-${randomUUID().slice(0, 8)}`;
}

function publishingContract(world: World): void {
  it('keeps the order of each key over calls that overlap', async () => {
    const { log } = await world.fresh();
    const publisher = await log.publisher();
    const keys = Array.from({ length: 30 }, (_, index) => `agent ${index}`);
    const calls = Array.from({ length: 60 }, (_, call) => keys.map((id) => agentChange(id, call + 1)));
    await Promise.all(calls.map((changes) => publisher.publish(changes)));
    const records = await readAll(log, ['agent'], 30 * 60);
    for (const [key, versions] of versionsPerKey(records)) {
      assert.deepEqual(
        versions,
        Array.from({ length: 60 }, (_, index) => index + 1),
        key,
      );
    }
  });

  it('has written what a resolved call said, for every process to read', async () => {
    const { log, prefix } = await world.fresh();
    const publisher = await log.publisher();
    await publisher.publish([agentChange('kept', 7)]);
    const other = await world.open(prefix);
    const ends = await other.positions(['agent']);
    assert.equal(sum(ends.map(({ end }) => end)), 1);
    const [record] = await readAll(other, ['agent'], 1);
    assert.ok(record?.value);
    assert.deepEqual(codec.decode('agent', record.key, record.value).version, 7);
  });

  it('delivers changes of every kind unharmed, with hostile keys, each key in one partition', async () => {
    const { log } = await world.fresh();
    const publisher = await log.publisher();
    const sent = KINDS.flatMap((kind) =>
      HOSTILE_TEXTS.flatMap((name) => [1, 2].map((version) => sample(kind, name, version))),
    );
    const before = Date.now();
    await publisher.publish(sent);
    const records = await readAll(log, KINDS, sent.length);
    const bytesOf = (changes: readonly Change[]) =>
      changes.map((change) => `${change.kind} ${change.key} ${codec.encode(change).toString('hex')}`).sort();
    assert.deepEqual(bytesOf(records.map(decoded)), bytesOf(sent));
    const homes = Map.groupBy(records, ({ kind, key }) => `${kind} ${key}`);
    for (const [key, home] of homes)
      assert.equal(new Set(home.map(({ partition }) => partition)).size, 1, key);
    assert.ok(new Set(records.map(({ partition }) => partition)).size > 1);
    for (const { timestampMs } of records) {
      assert.ok(timestampMs >= before - 60_000 && timestampMs <= Date.now() + 60_000);
    }
  });

  it('refuses a change that is too large, and sends nothing of that call', async () => {
    const { log } = await world.fresh({ maxChangeBytes: 2_000 });
    const publisher = await log.publisher();
    const large = upsert(
      'agent',
      sampleEntity('agent', { name: 'large', scalars: { x: 'x'.repeat(3_000) } }),
      1,
    );
    const call = publisher.publish([agentChange('small', 1), large, agentChange('small', 2)]);
    await assert.rejects(call, hasCode('change-rejected', /large/));
    await publisher.publish([agentChange('after', 1)]);
    const records = await readAll(log, ['agent'], 1);
    assert.deepEqual(
      records.map(({ key }) => key),
      ['after'],
    );
  });

  it('refuses what is no change of its kind, and sends nothing of that call', async () => {
    const { log } = await world.fresh();
    const publisher = await log.publisher();
    const broken = { ...agentChange('broken', 1), after: { id: 'broken' } } as unknown as Change;
    await assert.rejects(
      publisher.publish([agentChange('fine', 1), broken]),
      hasCode('change-rejected', /broken/),
    );
    assert.equal(sum((await log.positions(['agent'])).map(({ end }) => end)), 0);
  });

  it('takes an empty call', async () => {
    const { log } = await world.fresh();
    await (await log.publisher()).publish([]);
  });
}

function deliveryContract(world: World): void {
  it('delivers again what was not committed, and only that', async () => {
    const { log, prefix } = await world.fresh();
    const publisher = await log.publisher();
    await publisher.publish(manyAgents(50, 1));
    await readAll(await world.open(prefix), ['agent'], 50, { group: 'g' });
    await readAll(await world.open(prefix), ['agent'], 50, { group: 'g', commit: true });
    await publisher.publish(manyAgents(50, 2));
    const rest = await readAll(await world.open(prefix), ['agent'], 50, { group: 'g' });
    assert.deepEqual(new Set(rest.map((record) => decoded(record).version)), new Set([2]));
  });

  it('commits only up to the batch that was named', async () => {
    const { log, prefix } = await world.fresh({ partitions: 1 });
    await (await log.publisher()).publish(manyAgents(30, 1));
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'], maxBatchRecords: 10 });
    const batches = await takeUntil(reader, (seen) => countOf(seen) >= 30);
    const [first] = batches;
    assert.ok(first);
    await reader.commit(first);
    await reader.close();
    const again = await world.open(prefix, { partitions: 1 });
    const [position] = await again.positions(['agent'], 'g');
    assert.equal(position?.committed, first.records.length);
    const records = await readAll(again, ['agent'], 30 - first.records.length, { group: 'g' });
    assert.equal(records[0]?.offset, first.records.length);
  });

  it('does not take a commit back when an earlier batch is committed after a later one', async () => {
    const { log } = await world.fresh({ partitions: 1 });
    await (await log.publisher()).publish(manyAgents(30, 1));
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'], maxBatchRecords: 10 });
    const batches = await takeUntil(reader, (seen) => countOf(seen) >= 30);
    await Promise.all(batches.toReversed().map((batch) => reader.commit(batch)));
    const [position] = await log.positions(['agent'], 'g');
    assert.equal(position?.committed, 30);
    await reader.close();
  });

  it('keeps batches within maxBatchRecords and in offset order, and begins at the beginning', async () => {
    const { log } = await world.fresh();
    await (await log.publisher()).publish(manyAgents(500, 1));
    const reader = await log.subscribe({ group: 'small', kinds: ['agent'], maxBatchRecords: 7 });
    const batches = await takeUntil(reader, (seen) => countOf(seen) >= 500);
    assert.equal(countOf(batches), 500);
    assert.ok(batches.every((batch) => batch.records.length > 0 && batch.records.length <= 7));
    assertInOrder(batches.flatMap((batch) => batch.records));
    await reader.close();
  });

  it('delivers together what arrived meanwhile, whatever the partition', async () => {
    const { log } = await world.fresh();
    const publisher = await log.publisher();
    await publisher.publish([agentChange('first', 1)]);
    const reader = await log.subscribe({ group: 'g', kinds: ['agent', 'policy'] });
    const batches = reader.batches(new AbortController().signal)[Symbol.asyncIterator]();
    await batches.next();
    await publisher.publish([...manyAgents(100, 1), sample('policy', 'p', 1)]);
    await delay(1_000);
    const next = await batches.next();
    assert.ok(next.done !== true);
    assert.equal(next.value.records.length, 101);
    await reader.close();
  });

  it('ends when the signal is aborted, also while it waits and before it began', async () => {
    const { log } = await world.fresh();
    for (const abortFirst of [true, false]) {
      const reader = await log.subscribe({ group: `g ${abortFirst}`, kinds: ['agent'] });
      const stop = new AbortController();
      if (abortFirst) stop.abort();
      const ended = takeUntil(reader, () => false, stop.signal);
      await delay(100);
      stop.abort();
      assert.deepEqual(await ended, []);
      await reader.close();
    }
  });

  it('tells its observer of the partitions that it got, and of every record that it took', async () => {
    const { log } = await world.fresh();
    await (await log.publisher()).publish(manyAgents(100, 1));
    const events: SubscriptionEvent[] = [];
    const onEvent = (event: SubscriptionEvent): void => void events.push(event);
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'], onEvent });
    const batches = await takeUntil(reader, (seen) => countOf(seen) >= 100);
    const [first, ...rest] = events;
    assert.deepEqual(first, {
      type: 'rebalanced',
      generation: batches[0]?.generation,
      partitions: PARTITIONS,
    });
    const fetched = rest.map((event) => (event.type === 'fetched' ? event : assert.fail(event.type)));
    assert.equal(sum(fetched.map(({ records }) => records)), 100);
    assert.ok(fetched.every(({ bytes }) => bytes > 0));
    await reader.close();
  });

  it('is iterated once', async () => {
    const { log } = await world.fresh();
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'] });
    await takeUntil(reader, () => false, AbortSignal.abort());
    await assert.rejects(
      takeUntil(reader, () => false),
      hasCode('internal', /once/),
    );
    await reader.close();
  });
}

function groupContract(world: World, sessionTimeoutMs: number): void {
  it('shares the partitions among members, and loses nothing when one leaves', async () => {
    const { log, prefix } = await world.fresh();
    const publisher = await log.publisher();
    const dealtWith = new Set<string>();
    const member = async (): Promise<Worker> => work(await world.open(prefix), 'shared', dealtWith);
    const [stays, leaves] = await Promise.all([member(), member()]);
    let version = 0;
    const publishUntil = async (done: () => boolean): Promise<void> => {
      const giveUpAt = Date.now() + PATIENCE_MS;
      while (!done()) {
        assert.ok(Date.now() < giveUpAt, 'the members do not share');
        version += 1;
        await publisher.publish(manyAgents(40, version));
        await delay(20);
      }
    };
    await publishUntil(() => stays.records > 40 && leaves.records > 40);
    await leaves.stop();
    const before = stays.records;
    await publishUntil(() => stays.records > before + 200);
    const expected = manyAgents(40, 0).flatMap(({ key }) =>
      Array.from({ length: version }, (_, index) => `${key} ${index + 1}`),
    );
    await eventually(() => assert.equal(dealtWith.size, expected.length));
    assert.ok(expected.every((fact) => dealtWith.has(fact)));
    await stays.stop();
    const lag = sum((await log.positions(['agent'], 'shared')).map(lagOf));
    assert.equal(lag, 0);
  });

  it('drops the commit of an old generation, and delivers those records again', async () => {
    const { log, prefix } = await world.fresh();
    await (await log.publisher()).publish(manyAgents(200, 1));
    const first = await log.subscribe({ group: 'g', kinds: ['agent'] });
    const seen: RecordBatch[] = [];
    const reading = takeUntil(first, () => false, new AbortController().signal, seen);
    await eventually(() => assert.equal(countOf(seen), 200));
    const old = [...seen];
    const second = await (await world.open(prefix)).subscribe({ group: 'g', kinds: ['agent'] });
    const others: RecordBatch[] = [];
    const alsoReading = takeUntil(second, () => false, new AbortController().signal, others);
    // Until the partitions have been shared out anew, a commit counts.
    await eventually(() => assert.ok(others.length > 0 && old.every((batch) => !first.isCurrent(batch))));
    for (const batch of old) await first.commit(batch);
    assert.ok((await log.positions(['agent'], 'g')).every(({ committed }) => committed === null));
    const afresh = () => [...seen.slice(old.length), ...others].flatMap((batch) => batch.records);
    await eventually(() => assert.equal(new Set(afresh().map(({ key }) => key)).size, 200));
    await Promise.all([first.close(), second.close()]);
    await Promise.all([reading, alsoReading]);
  });

  it('begins each generation where the group has committed, with nothing left of the one before', async () => {
    const { log, prefix } = await world.fresh();
    await (await log.publisher()).publish(manyAgents(400, 1));
    const first = await log.subscribe({ group: 'g', kinds: ['agent'], maxBatchRecords: 10 });
    const batches = first.batches(AbortSignal.timeout(PATIENCE_MS))[Symbol.asyncIterator]();
    const seen: RecordBatch[] = [];
    const next = async (): Promise<RecordBatch> => {
      const { value, done } = await batches.next();
      assert.ok(done !== true, 'no batch came');
      seen.push(value);
      return value;
    };
    const old = await next();
    // Time for the rest to be fetched and to wait for its reader.
    await delay(500);
    const second = await (await world.open(prefix)).subscribe({ group: 'g', kinds: ['agent'] });
    await eventually(() => assert.ok(!first.isCurrent(old)));
    while (seen.filter((batch) => first.isCurrent(batch)).length < 5) await next();
    const { generation } = seen.at(-1) ?? old;
    assertInOrder(seen.filter((batch) => batch.generation === generation).flatMap((batch) => batch.records));
    await Promise.all([first.close(), second.close()]);
  });

  it('holds a bounded amount for a slow reader, who stays a member and misses nothing', async () => {
    const { log } = await world.fresh();
    const publisher = await log.publisher();
    const maxBufferedBytes = 128 * 1024;
    const rounds = 40;
    for (let version = 1; version <= rounds; version++)
      await publisher.publish(manyAgents(100, version, 400));
    const reader = await log.subscribe({ group: 'slow', kinds: ['agent'], maxBufferedBytes });
    const batches: RecordBatch[] = [];
    for await (const batch of reader.batches(new AbortController().signal)) {
      if (batches.length === 0) await delay(sessionTimeoutMs * 1.4);
      const bytes = sum(batch.records.map(({ value }) => value?.byteLength ?? 0));
      assert.ok(bytes <= maxBufferedBytes + 1_000, `a batch of ${bytes} bytes`);
      batches.push(batch);
      if (countOf(batches) >= 100 * rounds) break;
    }
    assert.equal(new Set(batches.map(({ generation }) => generation)).size, 1);
    const records = batches.flatMap((batch) => batch.records);
    assert.equal(records.length, 100 * rounds);
    assertInOrder(records);
    await reader.close();
  });
}

function controlContract(world: World): void {
  it('keeps the newest fact of each subject, for every process', async () => {
    const { log, prefix } = await world.fresh({ writer: 'first' });
    assert.equal((await log.control.read('')).size, 0);
    await log.control.write('stage/graph', { stage: 'off' });
    const other = await world.open(prefix, { writer: 'second' });
    await other.control.write('stage/graph', { stage: 'shadow', share: -0 });
    await other.control.write('stage/vectors', null);
    for (const reader of [log, other]) {
      const facts = await reader.control.read('stage/');
      assert.deepEqual([...facts.keys()], ['stage/graph']);
      const fact = facts.get('stage/graph');
      assert.deepEqual(fact?.body, { stage: 'shadow', share: -0 });
      assert.equal(fact?.writer, 'second');
      assert.ok(Number.isSafeInteger(fact?.writtenAt) && (fact?.writtenAt ?? 0) > 0);
    }
  });

  it('reads everything that was written before the call, by whatever process', async () => {
    const { log, prefix } = await world.fresh();
    const other = await world.open(prefix);
    // More than one answer of a broker holds, so that a reader cannot have it all at once.
    const padding = 'x'.repeat(5_000);
    for (let turn = 1; turn <= 3; turn++) {
      const bodies = Array.from({ length: 500 }, (_, index) => ({ turn, index, padding }));
      await Promise.all(bodies.map((body) => other.control.write('turn', body)));
      assert.deepEqual((await log.control.read('turn')).get('turn')?.body, bodies.at(-1));
    }
  });

  it('forgets a subject when null is written, and remembers it when it is written again', async () => {
    const { log } = await world.fresh();
    await log.control.write('flag/a', 1);
    await log.control.write('flag/b', 'two');
    await log.control.write('flag/a', null);
    assert.deepEqual([...(await log.control.read('flag/')).keys()], ['flag/b']);
    await log.control.write('flag/a', [3]);
    assert.deepEqual((await log.control.read('flag/a')).get('flag/a')?.body, [3]);
  });

  it('keeps the order of writes of one process that overlap', async () => {
    const { log } = await world.fresh();
    await Promise.all(Array.from({ length: 100 }, (_, index) => log.control.write('progress', index)));
    assert.equal((await log.control.read('progress')).get('progress')?.body, 99);
  });

  it('reads only subjects that start with the prefix', async () => {
    const { log } = await world.fresh();
    for (const subject of ['backfill/1/agent', 'backfill/10/agent', 'backfill/1/policy', 'stage'])
      await log.control.write(subject, true);
    const facts = await log.control.read('backfill/1/');
    assert.deepEqual([...facts.keys()].sort(), ['backfill/1/agent', 'backfill/1/policy']);
  });
}

function topicsContract(world: World): void {
  it('says where each partition begins and ends, and how far a group is', async () => {
    const { log } = await world.fresh();
    await (await log.publisher()).publish(manyAgents(100, 1));
    const unread = await log.positions(['agent', 'policy'], 'g');
    assert.equal(unread.length, 2 * PARTITIONS);
    assert.ok(unread.every(({ start, committed }) => start === 0 && committed === null));
    assert.equal(sum(unread.map(({ end }) => end)), 100);
    assert.equal(sum(unread.map(lagOf)), 100);
    await readAll(log, ['agent'], 100, { group: 'g', commit: true });
    const read = await log.positions(['agent'], 'g');
    assert.equal(sum(read.map(lagOf)), 0);
    assert.ok(read.every(({ committed, end }) => (committed ?? 0) === end));
    assert.ok((await log.positions(['agent'])).every(({ committed }) => committed === null));
  });

  it('says about when it got a record, and nothing of one that is not there yet', async () => {
    const { log } = await world.fresh({ partitions: 1 });
    const publisher = await log.publisher();
    const arrivedMs: number[] = [];
    for (const round of [1, 2, 3]) {
      if (round > 1) await delay(1_200);
      arrivedMs.push(Date.now());
      await publisher.publish(manyAgents(10, round));
    }
    const place = (offset: number) => ({ kind: 'agent', partition: 0, offset }) as const;
    const found = await log.arrivals([place(25), place(0), place(19), place(30)]);
    for (const [index, round] of [2, 0, 1].entries()) {
      const offByMs = Math.abs((found[index] ?? 0) - (arrivedMs[round] ?? 0));
      assert.ok(offByMs < 600, `${round}: off by ${offByMs} ms`);
    }
    assert.equal(found[3], undefined);
  });

  it('says how many members a group has', async () => {
    const { log } = await world.fresh();
    assert.equal(await log.members('nobody'), 0);
    const subscription = await log.subscribe({ group: 'somebody', kinds: ['agent'] });
    const count = async (members: number): Promise<void> => {
      for (let tries = 0; (await log.members('somebody')) !== members; tries++) {
        assert.ok(tries < 500, `it does not come to ${members} members`);
        await delay(20);
      }
    };
    const stop = new AbortController();
    const reading = takeUntil(subscription, () => false, stop.signal);
    await count(1);
    stop.abort();
    await reading;
    await subscription.close();
    await count(0);
  });

  it('prepares again without harm', async () => {
    const { log } = await world.fresh();
    await (await log.publisher()).publish(manyAgents(10, 1));
    await log.control.write('kept', true);
    await log.prepare();
    assert.equal((await readAll(log, ['agent'], 10)).length, 10);
    assert.equal((await log.control.read('kept')).size, 1);
  });

  it('refuses topics with another partition count than configured', async () => {
    const { prefix } = await world.fresh();
    const other = await world.open(prefix, { partitions: PARTITIONS + 1 });
    await assert.rejects(other.prepare(), hasCode('mismatch', /4 partitions, not 5/));
    await assert.rejects(other.publisher(), hasCode('mismatch', /4 partitions, not 5/));
    const subscribing = other.subscribe({ group: 'g', kinds: ['agent'] });
    await assert.rejects(subscribing, hasCode('mismatch', /4 partitions, not 5/));
  });

  it('names the topics that are missing', async () => {
    const prefix = uniquePrefix();
    const log = await world.open(prefix);
    const isMissing = hasCode('mismatch', new RegExp(`missing.*${prefix}`));
    await assert.rejects(log.publisher(), isMissing);
    await assert.rejects(log.subscribe({ group: 'g', kinds: ['agent'] }), isMissing);
    await assert.rejects(log.positions(['agent']), isMissing);
    await assert.rejects(log.control.write('a', 1), isMissing);
    await assert.rejects(log.control.read(''), isMissing);
    await log.prepare();
    await log.control.write('a', 1);
    assert.equal((await log.control.read('')).size, 1);
  });
}

function closingContract(world: World): void {
  it('waits for what is being published when it closes', async () => {
    const { log, prefix } = await world.fresh();
    const publisher = await log.publisher();
    const calls = Array.from({ length: 20 }, (_, index) => publisher.publish(manyAgents(50, index + 1)));
    await Promise.all([publisher.close(), publisher.close()]);
    await Promise.all(calls);
    await assert.rejects(publisher.publish([agentChange('late', 1)]), hasCode('aborted', /closed/));
    const other = await world.open(prefix);
    assert.equal(sum((await other.positions(['agent'])).map(({ end }) => end)), 1_000);
  });

  it('ends the iteration of a subscription that is closed, and drops commits from then on', async () => {
    const { log } = await world.fresh();
    await (await log.publisher()).publish(manyAgents(10, 1));
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'] });
    const seen: RecordBatch[] = [];
    const reading = takeUntil(reader, () => false, new AbortController().signal, seen);
    await eventually(() => assert.equal(countOf(seen), 10));
    await Promise.all([reader.close(), reader.close()]);
    await reading;
    assert.ok(seen.every((batch) => !reader.isCurrent(batch)));
    for (const batch of seen) await reader.commit(batch);
    assert.ok((await log.positions(['agent'], 'g')).every(({ committed }) => committed === null));
  });

  it('closes what it opened, twice without harm, and then refuses', async () => {
    const { log } = await world.fresh();
    const publisher = await log.publisher();
    const reader = await log.subscribe({ group: 'g', kinds: ['agent'] });
    const reading = takeUntil(reader, () => false);
    await log.control.read('');
    await Promise.all([log.close(), log.close()]);
    await log.close();
    await reading;
    const isClosed = hasCode('aborted', /closed/);
    await assert.rejects(publisher.publish([agentChange('late', 1)]), isClosed);
    await assert.rejects(log.publisher(), isClosed);
    await assert.rejects(log.subscribe({ group: 'g', kinds: ['agent'] }), isClosed);
    await assert.rejects(log.positions(['agent']), isClosed);
    await assert.rejects(log.control.read(''), isClosed);
    await assert.rejects(log.control.write('a', 1), isClosed);
    await assert.rejects(log.prepare(), isClosed);
  });
}

/** A change of the kind with that name; every second version is a delete. */
function sample(kind: Kind, name: string, version: number): Change {
  const entity = sampleEntity(kind, { name, variant: version });
  const change = upsert(kind, entity, version);
  return version % 2 === 0 ? removal(kind, change.key, version) : change;
}

function agentChange(id: string, version: number, padding = 0): Change {
  return upsert('agent', sampleEntity('agent', { name: id, scalars: { x: 'x'.repeat(padding) } }), version);
}

function manyAgents(count: number, version: number, padding = 0): readonly Change[] {
  return Array.from({ length: count }, (_, index) => agentChange(`agent ${index}`, version, padding));
}

function decoded({ kind, key, value }: LogRecord): Change {
  assert.ok(value);
  return codec.decode(kind, key, value);
}

function versionsPerKey(records: readonly LogRecord[]): ReadonlyMap<string, readonly number[]> {
  const groups = Map.groupBy(records, ({ key }) => key);
  return new Map(Array.from(groups, ([key, group]) => [key, group.map((record) => decoded(record).version)]));
}

/** In one partition, offsets follow each other without a gap and without a repetition. */
function assertInOrder(records: readonly LogRecord[]): void {
  const next = new Map<string, number>();
  for (const { kind, partition, offset } of records) {
    const place = `${kind}/${partition}`;
    assert.equal(offset, next.get(place) ?? 0, place);
    next.set(place, offset + 1);
  }
}

function countOf(batches: readonly RecordBatch[]): number {
  return sum(batches.map((batch) => batch.records.length));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function hasCode(code: ErrorCode, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ChangeoverError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };
}

const eventually = (check: () => void): Promise<void> => eventuallyWithin(check, PATIENCE_MS);

/** Iterates into `seen` until `done` says so, the signal is aborted or patience ends. */
async function takeUntil(
  reader: Subscription,
  done: (batches: readonly RecordBatch[]) => boolean,
  signal: AbortSignal = AbortSignal.timeout(PATIENCE_MS),
  seen: RecordBatch[] = [],
): Promise<readonly RecordBatch[]> {
  for await (const batch of reader.batches(signal)) {
    seen.push(batch);
    if (done(seen)) break;
  }
  return seen;
}

interface ReadOptions {
  readonly group?: string;
  readonly commit?: boolean;
}

/** As many records as expected, then half a second more to see that no other comes. */
async function readAll(
  log: Log,
  kinds: readonly Kind[],
  expected: number,
  { group = `g-${randomUUID()}`, commit = false }: ReadOptions = {},
): Promise<readonly LogRecord[]> {
  const reader = await log.subscribe({ group, kinds });
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  const records: LogRecord[] = [];
  for await (const batch of reader.batches(stop.signal)) {
    records.push(...batch.records);
    if (commit) await reader.commit(batch);
    if (records.length >= expected) setTimeout(() => stop.abort(), 300);
  }
  clearTimeout(timer);
  await reader.close();
  assert.equal(records.length, expected);
  return records;
}

interface Worker {
  readonly records: number;
  stop(): Promise<void>;
}

/** A consumer as the pipeline is one: apply while current, then commit. */
async function work(log: Log, group: string, dealtWith: Set<string>): Promise<Worker> {
  const reader = await log.subscribe({ group, kinds: ['agent'] });
  const stop = new AbortController();
  const worker = { records: 0 };
  const running = (async () => {
    for await (const batch of reader.batches(stop.signal)) {
      if (!reader.isCurrent(batch)) continue;
      worker.records += batch.records.length;
      for (const record of batch.records) dealtWith.add(`${record.key} ${decoded(record).version}`);
      await reader.commit(batch);
    }
  })();
  return {
    get records() {
      return worker.records;
    },
    async stop() {
      stop.abort();
      await running;
      await reader.close();
    },
  };
}
