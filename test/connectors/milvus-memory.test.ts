import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { VersionMemory } from '../../connectors/milvus/memory.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { dropCollections, openStore, testOptions } from './milvus-support.ts';

const V = 1_700_000_000_000_000;

function memoryWithTime() {
  const now = { ms: 0 };
  let taken = 0;
  const memory = new VersionMemory({
    timestamp: async () => String(++taken),
    clock: { nowUs: () => 0, elapsedMs: () => now.ms, sleep: async () => {} },
  });
  return { memory, now };
}
const row = (version: number) => ({ row: version, tombstone: undefined });

describe('what the Milvus sink remembers', () => {
  it('is nothing until somebody vouches that it is alone', async () => {
    const { memory } = memoryWithTime();
    const first = await memory.recollect();
    first.remember('a', row(V));
    assert.deepEqual([(await memory.recollect()).recall('a'), first.consistency], [undefined, 'Strong']);
  });

  it('is what was confirmed, rows and tombstones, and no leftovers', async () => {
    const { memory } = memoryWithTime();
    memory.forget();
    const { remember } = await memory.recollect();
    remember('a', row(V));
    remember('b', { row: undefined, tombstone: V });
    remember('c', { row: V, tombstone: V });
    remember('d', { row: undefined, tombstone: undefined });
    remember('e', { row: V + 1, tombstone: V });
    const { recall } = await memory.recollect();
    assert.deepEqual(['a', 'b', 'c', 'd', 'e'].map(recall), [
      row(V),
      { row: undefined, tombstone: V },
      undefined,
      undefined,
      row(V + 1),
    ]);
  });

  it('is nothing of a batch in whose midst all was forgotten', async () => {
    const { memory } = memoryWithTime();
    memory.forget();
    const { remember } = await memory.recollect();
    memory.forget();
    remember('a', row(V));
    assert.equal((await memory.recollect()).recall('a'), undefined);
  });

  it('asks again how far reads must see after it has forgotten', async () => {
    const { memory } = memoryWithTime();
    memory.forget();
    const seesUntil = async () => (await memory.recollect()).consistency;
    assert.deepEqual([await seesUntil(), await seesUntil()], [{ timestamp: '1' }, { timestamp: '1' }]);
    memory.clear();
    assert.deepEqual(await seesUntil(), { timestamp: '2' });
  });

  it('grows old, and reads then see as far as what was let go', async () => {
    const { memory, now } = memoryWithTime();
    memory.forget();
    (await memory.recollect()).remember('early', row(V));
    now.ms = 40_000;
    const later = await memory.recollect();
    later.remember('late', row(V));
    assert.deepEqual([later.recall('early'), later.consistency], [row(V), { timestamp: '1' }]);
    now.ms = 71_000;
    const last = await memory.recollect();
    assert.deepEqual([last.recall('early'), last.recall('late')], [undefined, row(V)]);
    // Taken when the generation with `early` was closed, after it was confirmed.
    assert.deepEqual(last.consistency, { timestamp: '2' });
    now.ms = 200_000;
    const anew = await memory.recollect();
    assert.deepEqual([anew.recall('late'), anew.consistency], [undefined, { timestamp: '4' }]);
  });

  it('is bounded', async () => {
    const { memory } = memoryWithTime();
    memory.forget();
    for (let batch = 0; batch < 30; batch++) {
      const { remember } = await memory.recollect();
      for (let index = 0; index < 10_000; index++) remember(`${batch} ${index}`, row(V));
    }
    const { recall, consistency } = await memory.recollect();
    assert.deepEqual([recall('0 0'), recall('15 0'), recall('29 0')], [undefined, undefined, row(V)]);
    assert.notDeepEqual(consistency, { timestamp: '1' });
  });
});

describe('two sinks of one Milvus, told whenever the other has written', { timeout: 120_000 }, () => {
  const options = testOptions();
  let [one, two]: (Store | undefined)[] = [];
  before(async () => {
    one = await openStore(options);
    await one.prepare();
    two = await openStore(options);
    await two.prepare();
  });
  after(async () => {
    await one?.close();
    await two?.close();
    await dropCollections(options);
  });

  it('never go back behind what the other has confirmed', async () => {
    assert.ok(one !== undefined && two !== undefined);
    const stores = [one, two];
    const ids = Array.from({ length: 50 }, (_, index) => `key ${index}`);
    const change = (id: string, version: number) =>
      version % 3 === 0
        ? removal('embedding', id, version)
        : upsert(
            'embedding',
            { ...sampleEntity('embedding', { name: id, variant: version % 97 }), id },
            version,
          );
    for (let round = 1; round <= 12; round++) {
      const { sink, source } = stores[round % 2] as Store;
      sink.forget?.();
      const version = V + round * 10;
      const older = await sink.apply(ids.map((id) => change(id, version - 10 - (round % 2))));
      if (round > 1)
        assert.ok(
          older.every(({ status }) => status === 'stale'),
          `round ${round}, older`,
        );
      for (const next of [version, version + 1, version + 2]) {
        const outcomes = await sink.apply(ids.map((id) => change(id, next)));
        assert.ok(
          outcomes.every(({ status }) => status === 'applied'),
          `round ${round}`,
        );
      }
      const again = await sink.apply(ids.map((id) => change(id, version + 1)));
      assert.ok(
        again.every(({ status }) => status === 'stale'),
        `round ${round}, again`,
      );
      const held = await source.get('embedding', ids);
      assert.ok(held.every((each) => each?.version === version + 2));
      assert.ok(held.every((each) => (each?.entity === null) === ((version + 2) % 3 === 0)));
    }
  });
});
