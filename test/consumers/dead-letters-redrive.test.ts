import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readLetters } from '../../consumers/dead-letters/letters.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Log } from '../../log/log.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import type { Change } from '../../schemas/change.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { openTestLog } from '../support/memory-log.ts';
import { MemoryStore } from '../support/memory-store.ts';
import {
  followToEnd,
  openLetters,
  pickySink,
  poison,
  previewAll,
  publish,
  redriveAll,
} from './dead-letters-support.ts';

const agent = (name: string, version: number, variant = version): Change =>
  upsert('agent', sampleEntity('agent', { name, variant }), version);

const refusing = (versions: readonly number[]) => (change: Change) =>
  versions.includes(change.version) ? 'no room' : undefined;

const outcomes = (
  results: readonly { readonly letter: { readonly key: string }; readonly outcome: string }[],
) => Object.fromEntries(results.map(({ letter, outcome }) => [letter.key, outcome]));

describe('a redrive', () => {
  it('applies what is newest, leaves what is newer in the store, and says so of each', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    await publish(log, [
      agent('new', 5),
      agent('old', 5),
      agent('old', 6),
      removal('agent', 'gone', 5),
      agent('gone', 4),
    ]);
    await followToEnd(log, pickySink(store.sink, refusing([5])));
    const letters = await openLetters(log);
    const previews = await previewAll(log, store, letters);
    assert.deepEqual(outcomes(previews), { new: 'applied', old: 'stale', gone: 'applied' });
    assert.equal((await openLetters(log)).length, 3, 'a preview changes nothing');
    assert.equal((await store.source.get('agent', ['new']))[0], undefined);

    assert.deepEqual(outcomes(await redriveAll(log, store, letters)), {
      new: 'applied',
      old: 'stale',
      gone: 'applied',
    });
    const [fresh, old, gone] = await store.source.get('agent', ['new', 'old', 'gone']);
    assert.deepEqual([fresh?.version, old?.version, gone?.version, gone?.entity], [5, 6, 5, null]);
    assert.deepEqual(await openLetters(log), []);
    const notes = (await readLetters(log.deadLetters)).map(({ key, state, resolution }) => [
      key,
      state,
      resolution?.note,
    ]);
    assert.deepEqual(notes.sort(), [
      ['gone', 'redriven', 'applied'],
      ['new', 'redriven', 'applied'],
      ['old', 'redriven', 'stale'],
    ]);
  });

  it('is foretold: version held, version offered, and what would change', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    await publish(log, [
      agent('changed', 4),
      agent('changed', 5),
      agent('created', 5),
      agent('same', 4, 1),
      agent('same', 5, 1),
    ]);
    await publish(log, [agent('deleted', 4), removal('agent', 'deleted', 5)]);
    await followToEnd(log, pickySink(store.sink, refusing([5])));
    const previews = await previewAll(log, store, await openLetters(log));
    const told = Object.fromEntries(
      previews.map(({ letter, held, offered, changes }) => [letter.key, [held, offered, changes]]),
    );
    assert.deepEqual(told, {
      changed: [4, 5, ['type', 'attributes.variant']],
      created: [null, 5, ['created']],
      same: [4, 5, []],
      deleted: [4, 5, ['deleted']],
    });
  });

  it('leaves open what is refused again, with the reason, and goes on with the rest', async () => {
    const broker = new MemoryBroker();
    const log = await openTestLog(broker);
    const store = new MemoryStore();
    await publish(log, [agent('fine', 5), agent('odd', 6)]);
    poison(broker, 'agent', 'strange', Buffer.from('no change'));
    await followToEnd(log, pickySink(store.sink, refusing([5, 6])));
    const still = { ...store, sink: pickySink(store.sink, refusing([6])), source: store.source };
    const results = await redriveAll(log, still, await openLetters(log));
    assert.deepEqual(outcomes(results), { fine: 'applied', odd: 'refused', strange: 'refused' });
    assert.equal(results.find(({ letter }) => letter.key === 'odd')?.reason, 'no room');
    assert.deepEqual((await openLetters(log)).map(({ key }) => key).sort(), ['odd', 'strange']);
  });

  it('takes what a letter kept where the record has expired; where nothing was kept it says that it is gone', async () => {
    for (const payload of ['full', 'masked', 'none'] as const) {
      const log = await openTestLog();
      const store = new MemoryStore();
      await publish(log, [agent('a', 5)]);
      await followToEnd(log, pickySink(store.sink, refusing([5])), { payload });
      const expired: Log = withRecords(log, async (places) => places.map(() => undefined));
      const [result] = await redriveAll(expired, store, await openLetters(log));
      assert.equal(result?.outcome, payload === 'full' ? 'applied' : 'gone', payload);
      assert.equal((await openLetters(log)).length, payload === 'full' ? 0 : 1);
    }
  });

  it('never takes another record that stands at the place of the refused one', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    await publish(log, [agent('a', 5), agent('a', 6)]);
    await followToEnd(log, pickySink(store.sink, refusing([5, 6])));
    const shifted: Log = withRecords(log, (places) =>
      log.records(places.map((place) => ({ ...place, offset: place.offset === 0 ? 1 : 0 }))),
    );
    const results = await redriveAll(shifted, store, await openLetters(log));
    assert.deepEqual(
      results.map(({ outcome, reason }) => [outcome, /another record/.test(reason)]),
      [
        ['gone', true],
        ['gone', true],
      ],
    );
    assert.equal(await store.source.count('agent'), 0);
  });

  it('tries again what the store does not take for a passing reason, and resolves nothing before', async () => {
    const log = await openTestLog();
    const store = new MemoryStore();
    await publish(log, [agent('a', 5)]);
    await followToEnd(log, pickySink(store.sink, refusing([5])));
    let attempts = 0;
    const flaky = {
      source: store.source,
      sink: {
        ...store.sink,
        apply: async (changes: readonly Change[]) => {
          assert.equal((await openLetters(log)).length, 1);
          if (attempts++ < 2) throw new ChangeoverError('unreachable', 'away');
          return store.sink.apply(changes);
        },
      },
    };
    assert.deepEqual(outcomes(await redriveAll(log, flaky, await openLetters(log))), { a: 'applied' });
    assert.equal(attempts, 3);
  });
});

function withRecords(log: Log, records: Log['records']): Log {
  return { ...log, deadLetters: log.deadLetters, records };
}
