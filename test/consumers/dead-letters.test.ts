import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readLetters } from '../../consumers/dead-letters/letters.ts';
import { resolve } from '../../consumers/dead-letters/resolve.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Log } from '../../log/log.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import type { Change } from '../../schemas/change.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { following, openTestLog, testCodec } from '../support/memory-log.ts';
import { MemoryStore } from '../support/memory-store.ts';
import {
  follow,
  followToEnd,
  lag,
  openLetters,
  pickySink,
  poison,
  publish,
  SINK,
} from './dead-letters-support.ts';

const agents = (count: number, from = 0): readonly Change[] =>
  Array.from({ length: count }, (_, index) =>
    upsert('agent', sampleEntity('agent', { name: `a${from + index}` }), 1_000 + index),
  );

const refusesEach = (nth: number) => (change: Change) =>
  Number(change.key.slice(1)) % nth === 0 ? `${change.key} is too odd` : undefined;

const secretAgent = (name: string, version = 1): Change =>
  upsert(
    'agent',
    { id: name, type: 'citizen', active: true, attributes: { name: 'Ada Lovelace', age: 36 } },
    version,
  );

describe('a record that a store refuses', () => {
  it('is recorded with its place and reason, once, while the rest is applied; nothing goes uncounted', async () => {
    const broker = new MemoryBroker();
    const log = await openTestLog(broker);
    const store = new MemoryStore();
    await publish(log, agents(100));
    poison(broker, 'agent', 'strange', Buffer.from('no change at all'));
    await publish(log, agents(100));
    const progress = await followToEnd(log, pickySink(store.sink, refusesEach(10)));
    assert.equal(progress.received, 201);
    assert.equal(progress.received, progress.applied + progress.stale + progress.refused);
    assert.equal(progress.refused, 21);
    const letters = await openLetters(log);
    assert.equal(letters.length, 21);
    const unreadable = letters.find((each) => each.class === 'unreadable');
    assert.match(unreadable?.reason ?? '', /single-object marker/);
    assert.deepEqual([unreadable?.key, unreadable?.version], ['strange', null]);
    const one = letters.find(({ key }) => key === 'a50');
    assert.deepEqual(
      [one?.sink, one?.class, one?.reason, one?.version],
      [SINK, 'rejected', 'a50 is too odd', 1_050],
    );
    assert.equal(one?.id, `memory/agent/${one?.partition}/${one?.offset}`);
    const [record] = await log.records(one === undefined ? [] : [one]);
    assert.equal(record?.key, 'a50');
    assert.equal(await store.source.count('agent'), 90);
  });

  it('is one letter although it was written down again after a crash before the commit', async () => {
    const log = await openTestLog();
    await publish(log, agents(10));
    const forgetful = following(log, () => ({
      commit: () => Promise.reject(new ChangeoverError('internal', 'killed')),
    }));
    const sink = pickySink(new MemoryStore().sink, refusesEach(5));
    await assert.rejects(follow(forgetful, sink).ended, /killed/);
    await followToEnd(log, sink);
    assert.equal((await log.deadLetters.read()).length, 4);
    assert.equal((await openLetters(log)).length, 2);
  });

  it('is open again when it was dealt with and is refused again in a replay', async () => {
    const log = await openTestLog();
    await publish(log, agents(1));
    const sink = pickySink(new MemoryStore().sink, refusesEach(1));
    await followToEnd(log, sink);
    const letters = await openLetters(log);
    const resolver = { log, by: 'ada@host', clock: systemClock };
    await resolve(letters, { state: 'dropped', note: 'not needed' }, resolver);
    const [dropped] = await readLetters(log.deadLetters);
    assert.deepEqual(
      [dropped?.state, dropped?.resolution?.by, dropped?.resolution?.note],
      ['dropped', 'ada@host', 'not needed'],
    );
    await log.deadLetters.write(letters);
    assert.equal((await openLetters(log)).length, 1);
  });

  it('waits for a log that does not take its letter, and is not committed before', async () => {
    const log = await openTestLog();
    await publish(log, agents(3));
    let failures = 0;
    const deadLetters: Log['deadLetters'] = {
      read: (keep) => log.deadLetters.read(keep),
      write: async (letters) => {
        assert.equal(await lag(log, ['agent']), 3);
        if (failures++ < 3) throw new ChangeoverError('unreachable', 'away');
        await log.deadLetters.write(letters);
      },
    };
    const clock = { ...systemClock, sleep: async () => {} };
    const sink = pickySink(new MemoryStore(undefined, ['agent']).sink, refusesEach(2));
    const progress = await followToEnd(log, sink, { deadLetters, clock });
    assert.equal(failures, 4);
    assert.equal(progress.refused, 2);
    assert.equal((await openLetters(log)).length, 2);
  });

  it('does not keep the pipeline from stopping while the log is away, and stays uncommitted', async () => {
    const log = await openTestLog();
    await publish(log, agents(3));
    const away = Promise.withResolvers<void>();
    const deadLetters: Log['deadLetters'] = {
      read: (keep) => log.deadLetters.read(keep),
      write: () => {
        away.resolve();
        return Promise.reject(new ChangeoverError('unreachable', 'away'));
      },
    };
    const following = follow(log, pickySink(new MemoryStore().sink, refusesEach(1)), { deadLetters });
    await away.promise;
    await following.stop();
    assert.equal(await lag(log, ['agent']), 3);
  });
});

describe('a flood of refusals', () => {
  it('stops the pipeline at the limit, and again at each start, until somebody has dealt with it', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    const sink = pickySink(store.sink, refusesEach(1));
    const limits = { stopAfter: 10, maxBatchChanges: 4 };
    await publish(log, agents(30));
    const flood = {
      code: 'change-rejected',
      message: /target\.memory would have 1\d open dead letters, more than 10; .*a\d+ is too odd/,
    };
    for (let start = 0; start < 3; start++) {
      await assert.rejects(follow(log, sink, limits).ended, flood);
      const open = await openLetters(log);
      assert.ok(open.length <= 10, `${open.length} letters after start ${start}`);
      assert.equal(await lag(log, ['agent']), 30 - open.length);
    }
    const letters = await openLetters(log);
    await resolve(letters, { state: 'dropped', note: 'no' }, { log, by: 'ada', clock: systemClock });
    const progress = await followToEnd(log, store.sink, limits);
    assert.equal(progress.applied, 30 - letters.length);
  });

  it('is told from letters that were dealt with while the pipeline ran', async () => {
    const log = await openTestLog();
    const following = follow(log, pickySink(new MemoryStore().sink, refusesEach(1)), { stopAfter: 5 });
    for (let round = 0; round < 4; round++) {
      await publish(log, agents(4, round * 4));
      await following.caughtUp();
      await resolve(
        await openLetters(log),
        { state: 'dropped', note: 'no' },
        { log, by: 'ada', clock: systemClock },
      );
    }
    await following.stop();
    assert.equal(following.progress().refused, 16);
  });
});

describe('what a dead letter keeps', () => {
  const mask = ['agent.attributes.name'];
  const reasonOf = ({ after }: Change) => `cannot hold ${JSON.stringify(after)}`;
  const keptOf = async (options: {
    readonly payload: 'none' | 'masked' | 'full';
    readonly mask: readonly string[];
  }) => {
    const broker = new MemoryBroker();
    const log = await openTestLog(broker);
    const change = secretAgent('ada');
    await publish(log, [change]);
    await followToEnd(log, pickySink(new MemoryStore().sink, reasonOf), {
      ...options,
      mask: [...options.mask],
    });
    const [letter] = await log.deadLetters.read(() => true);
    const inTopic = Buffer.concat(
      (broker.topics.get('test.dead-letters') ?? []).flat().map(({ value }) => value),
    );
    return { letter, change, inTopic: inTopic.toString('latin1') };
  };

  it('is only a hash by default', async () => {
    const { letter, change } = await keptOf({ payload: 'none', mask: [] });
    assert.deepEqual([letter?.payloadForm, letter?.payload], ['none', null]);
    assert.match(letter?.payloadSha256 ?? '', /^[0-9a-f]{64}$/);
    assert.equal(letter?.version, change.version);
  });

  it('is the change without what is masked, which is nowhere in the topic, not even in the reason', async () => {
    for (const payload of ['none', 'masked'] as const) {
      const { letter, inTopic } = await keptOf({ payload, mask });
      assert.doesNotMatch(inTopic, /Lovelace/);
      assert.match(letter?.reason ?? '', /cannot hold .*\*\*\*/);
      if (payload === 'none') continue;
      const kept = JSON.parse(String(letter?.payload));
      assert.deepEqual(kept.after.attributes, { name: '***', age: 36 });
      assert.deepEqual([kept.key, kept.op, kept.version], ['ada', 'u', 1]);
    }
    const { inTopic } = await keptOf({ payload: 'masked', mask: ['agent.attributes.*'] });
    assert.doesNotMatch(inTopic, /Lovelace|"age":36/);
  });

  it('is masked in the error that ends a flood, too', async () => {
    const log = await openTestLog();
    await publish(log, [secretAgent('ada'), secretAgent('bob')]);
    const ended = follow(log, pickySink(new MemoryStore().sink, reasonOf), { mask, stopAfter: 1 }).ended;
    await assert.rejects(ended, (error: Error) => {
      assert.doesNotMatch(error.message, /Lovelace/);
      assert.match(error.message, /the last is agent (ada|bob) .*cannot hold/);
      return true;
    });
  });

  it('is all of its bytes where that is configured', async () => {
    const { letter, change } = await keptOf({ payload: 'full', mask: [] });
    assert.ok(letter?.payload);
    const read = testCodec.decode('agent', 'ada', letter.payload);
    assert.deepEqual(JSON.stringify(read.after), JSON.stringify(change.after));
  });
});
