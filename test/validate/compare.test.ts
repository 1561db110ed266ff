import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { type Comparison, compareKind, type Difference } from '../../validate/compare.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import { MemoryStore } from '../support/memory-store.ts';

async function filled(kind: Kind): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.sink.apply(
    Array.from({ length: 95 }, (_, index) => upsert(kind, sampleEntity(kind, { name: `e${index}` }), 1)),
  );
  return store;
}

async function compare(
  kind: Kind,
  left: MemoryStore,
  right: MemoryStore,
): Promise<readonly [Comparison, readonly Difference[]]> {
  const found: Difference[] = [];
  const comparison = await compareKind(
    {
      kind,
      left: { store: 'left', source: left.source },
      right: { store: 'right', source: right.source },
      batchSize: 10,
      onDifference: (difference) => found.push(difference),
      onRejected: () => {},
    },
    new AbortController().signal,
  );
  return [comparison, found];
}

for (const kind of KINDS) {
  describe(`the comparison of ${kind} in two stores`, () => {
    it('finds nothing where there is nothing', async () => {
      const [{ equal, missing, extra, different }] = await compare(
        kind,
        await filled(kind),
        await filled(kind),
      );
      assert.deepEqual(
        { equal, missing, extra, different },
        { equal: 95, missing: 0, extra: 0, different: 0 },
      );
    });

    it('finds what is missing, extra and different, and names each', async () => {
      const [left, right] = [await filled(kind), await filled(kind)];
      await right.sink.apply([
        removal(kind, sampleKey(kind, 'e0'), 2),
        removal(kind, sampleKey(kind, 'e94'), 2),
        upsert(kind, sampleEntity(kind, { name: 'zz beyond' }), 2),
        upsert(kind, sampleEntity(kind, { name: 'e50', variant: 1 }), 2),
      ]);
      const [{ equal, missing, extra, different }, found] = await compare(kind, left, right);
      assert.deepEqual({ missing, extra }, { missing: 2, extra: 1 });
      assert.deepEqual([equal, different], [92, 1]);
      const named = found.map(({ class: what, key }) => `${what} ${key}`).toSorted();
      assert.deepEqual(named, [
        `different ${sampleKey(kind, 'e50')}`,
        `extra ${sampleKey(kind, 'zz beyond')}`,
        `missing ${sampleKey(kind, 'e0')}`,
        `missing ${sampleKey(kind, 'e94')}`,
      ]);
    });
  });
}

it('an empty store is all missing, and the other way round all extra', async () => {
  const full = await filled('agent');
  assert.equal((await compare('agent', full, new MemoryStore()))[0].missing, 95);
  assert.equal((await compare('agent', new MemoryStore(), full))[0].extra, 95);
});
