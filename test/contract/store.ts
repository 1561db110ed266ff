import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Outcome, SourceRow, Store } from '../../connectors/connector.ts';
import type { Change, EntityOf } from '../../schemas/change.ts';
import { differences } from '../../schemas/differences.ts';
import { scanKeyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { compareScanKeys, type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { type Held, join } from '../../schemas/version.ts';
import { plainState, removal, upsert } from '../support/changes.ts';
import {
  HOSTILE_DOUBLES,
  HOSTILE_SCALARS,
  HOSTILE_TEXTS,
  sampleEntity,
  sampleKey,
} from '../support/entities.ts';

/** What an implementation says of itself. */
export interface StoreUnderContract {
  /** A fresh, empty, prepared store; called once. */
  open(): Promise<Store>;
  /** A second client of the same place, for concurrency and for what must survive a client. */
  reopen(): Promise<Store>;
  readonly kinds: readonly Kind[];
  /** Rounds of the property tests; fewer for a slow store. */
  readonly rounds?: number;
  /**
   * Whether two clients may apply at once. False where one process owns the place (the dictionary's lock) or where
   * one writer per key is the store's rule (Milvus).
   */
  readonly concurrentSinks?: boolean;
}

/** The first version that a captured write can have is far above any generation; tests use small offsets from it. */
const V = 1_700_000_000_000_000;

/** The promises of `Sink`, `Source` and `Store`, held against one implementation on its real server. */
export function storeContract(name: string, subject: StoreUnderContract): void {
  describe(`${name} keeps the store contract`, () => {
    let store: Store;
    before(async () => {
      store = await subject.open();
    });
    after(async () => {
      await store.close();
    });

    for (const kind of subject.kinds) {
      describe(kind, () => {
        guardContract(kind, () => store);
        lawContract(kind, () => store, subject);
        contentContract(kind, () => store);
        scanContract(kind, () => store);
      });
    }

    it('prepares again without harm', async () => {
      const kind = subject.kinds[0] ?? 'agent';
      const entity = sampleEntity(kind, { name: 'kept' });
      await store.sink.apply([upsert(kind, entity, V)]);
      await store.prepare();
      assert.equal((await one(store, kind, sampleKey(kind, 'kept')))?.version, V);
    });

    it('keeps what it confirmed for the next client', async () => {
      const kind = subject.kinds[0] ?? 'agent';
      const entity = sampleEntity(kind, { name: 'durable' });
      await store.sink.apply([upsert(kind, entity, V)]);
      if (subject.concurrentSinks === false) await store.close();
      const next = await subject.reopen();
      assert.equal((await one(next, kind, sampleKey(kind, 'durable')))?.version, V);
      if (subject.concurrentSinks === false) store = next;
      else await next.close();
    });

    it('passes its own probe', async () => {
      const results = await store.probe.check();
      assert.ok(results.length > 0);
      assert.deepEqual(
        results.filter((result) => !result.ok),
        [],
      );
    });
  });
}

type Opened = () => Store;

function guardContract(kind: Kind, opened: Opened): void {
  it('answers undefined for a key that it never heard of', async () => {
    assert.equal(await one(opened(), kind, sampleKey(kind, 'unheard of')), undefined);
  });

  it('applies a newer change, and calls an older or equal one stale', async () => {
    const store = opened();
    const at = (variant: number) => sampleEntity(kind, { name: 'guarded', variant });
    assert.deepEqual(await statuses(store, [upsert(kind, at(1), V + 1)]), ['applied']);
    assert.deepEqual(await statuses(store, [upsert(kind, at(2), V + 2)]), ['applied']);
    assert.deepEqual(await statuses(store, [upsert(kind, at(9), V + 1)]), ['stale']);
    assert.deepEqual(await statuses(store, [upsert(kind, at(9), V + 2)]), ['stale']);
    await assertHeld(store, kind, sampleKey(kind, 'guarded'), { version: V + 2, entity: at(2) });
  });

  it('lets any captured version win over a generation, and a later generation over an earlier one', async () => {
    const store = opened();
    const at = (variant: number) => sampleEntity(kind, { name: 'labelled', variant });
    assert.deepEqual(await statuses(store, [upsert(kind, at(1), 1)]), ['applied']);
    assert.deepEqual(await statuses(store, [upsert(kind, at(2), 2)]), ['applied']);
    assert.deepEqual(await statuses(store, [upsert(kind, at(3), V)]), ['applied']);
    assert.deepEqual(await statuses(store, [upsert(kind, at(4), 3)]), ['stale']);
    await assertHeld(store, kind, sampleKey(kind, 'labelled'), { version: V, entity: at(3) });
  });

  it('remembers a delete: an older change does not bring the entity back, a newer one does', async () => {
    const store = opened();
    const key = sampleKey(kind, 'mortal');
    const at = (variant: number) => sampleEntity(kind, { name: 'mortal', variant });
    await store.sink.apply([upsert(kind, at(1), V + 1)]);
    assert.deepEqual(await statuses(store, [removal(kind, key, V + 5)]), ['applied']);
    await assertHeld(store, kind, key, { version: V + 5, entity: null });
    assert.deepEqual(await statuses(store, [upsert(kind, at(2), V + 3)]), ['stale']);
    assert.deepEqual(await statuses(store, [upsert(kind, at(2), V + 5)]), ['stale']);
    assert.deepEqual(await statuses(store, [removal(kind, key, V + 5)]), ['stale']);
    await assertHeld(store, kind, key, { version: V + 5, entity: null });
    assert.deepEqual(await statuses(store, [upsert(kind, at(4), V + 6)]), ['applied']);
    await assertHeld(store, kind, key, { version: V + 6, entity: at(4) });
  });

  it('remembers the delete of a key that it never held', async () => {
    const store = opened();
    const key = sampleKey(kind, 'never born');
    assert.deepEqual(await statuses(store, [removal(kind, key, V + 5)]), ['applied']);
    const late = upsert(kind, sampleEntity(kind, { name: 'never born' }), V + 4);
    assert.deepEqual(await statuses(store, [late]), ['stale']);
    await assertHeld(store, kind, key, { version: V + 5, entity: null });
  });

  it('keeps only the newest of several changes of one key in one batch', async () => {
    const store = opened();
    const at = (variant: number) => sampleEntity(kind, { name: 'crowded', variant });
    const batch = [3, 1, 4, 2].map((n) => upsert(kind, at(n), V + n));
    assert.deepEqual(await statuses(store, batch), ['stale', 'stale', 'applied', 'stale']);
    await assertHeld(store, kind, sampleKey(kind, 'crowded'), { version: V + 4, entity: at(4) });
  });

  it('refuses a change that is none, and does not let it hide an older one of its batch', async () => {
    const store = opened();
    const key = sampleKey(kind, 'hidden');
    const entity = sampleEntity(kind, { name: 'hidden', variant: 1 });
    const none = { ...upsert(kind, sampleEntity(kind, { name: 'another' }), V + 3), key } as Change;
    const batch = [upsert(kind, entity, V + 1), none, { ...upsert(kind, entity, V + 4), version: 0.5 }];
    assert.deepEqual(await statuses(store, batch as Change[]), ['applied', 'rejected', 'rejected']);
    await assertHeld(store, kind, key, { version: V + 1, entity });
  });

  it('answers an empty batch with nothing', async () => {
    assert.deepEqual(await opened().sink.apply([]), []);
  });
}

/** A change as two small numbers: which key, which version; every third version is a delete. */
type Draw = readonly [keyNumber: number, versionNumber: number];

function lawContract(kind: Kind, opened: Opened, subject: StoreUnderContract): void {
  const { rounds = 15, concurrentSinks = true } = subject;
  const draws = fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 24,
  });
  let round = 0;

  const materialise = (drawn: readonly Draw[], prefix: string): readonly Change[] =>
    drawn.map(([keyNumber, versionNumber]) => {
      const name = `${prefix} ${keyNumber}`;
      return versionNumber % 3 === 0
        ? removal(kind, sampleKey(kind, name), V + versionNumber)
        : upsert(kind, sampleEntity(kind, { name, variant: versionNumber }), V + versionNumber);
    });

  const assertJoin = async (store: Store, changes: readonly Change[]): Promise<void> => {
    const expected = new Map<string, Held<Kind>>();
    for (const change of changes) expected.set(change.key, join<Kind>(expected.get(change.key), change));
    const keys = [...expected.keys()];
    const held = await store.source.get(kind, keys);
    assert.deepEqual(held.map(plainState), [...expected.values()].map(plainState));
  };

  it('leaves the join of what it has seen: any order, any batching, any repetition', async () => {
    await fc.assert(
      fc.asyncProperty(draws, fc.integer({ min: 1, max: 7 }), async (drawn, batchSize) => {
        const changes = materialise(drawn, `law ${round++}`);
        for (let start = 0; start < changes.length; start += batchSize) {
          await opened().sink.apply(changes.slice(start, start + batchSize));
        }
        await opened().sink.apply(changes.filter((_, index) => index % 2 === 0));
        await assertJoin(opened(), changes);
      }),
      { numRuns: rounds },
    );
  });

  if (!concurrentSinks) return;
  it('leaves the same join when two clients apply at once', async () => {
    const other = await subject.reopen();
    try {
      await fc.assert(
        fc.asyncProperty(draws, draws, async (mine, theirs) => {
          const prefix = `race ${round++}`;
          const [left, right] = [materialise(mine, prefix), materialise(theirs, prefix)];
          await Promise.all([opened().sink.apply(left), other.sink.apply(right)]);
          await assertJoin(opened(), [...left, ...right]);
        }),
        { numRuns: rounds },
      );
    } finally {
      await other.close();
    }
  });
}

function contentContract(kind: Kind, opened: Opened): void {
  it('keeps hostile text, names and numbers unharmed', async () => {
    const store = opened();
    const entities = HOSTILE_TEXTS.map((name) => sampleEntity(kind, { name, scalars: HOSTILE_SCALARS }));
    const answers = await statuses(
      store,
      entities.map((entity) => upsert(kind, entity, V)),
    );
    assert.deepEqual(new Set(answers), new Set(['applied']));
    const keys = HOSTILE_TEXTS.map((name) => sampleKey(kind, name));
    const held = await store.source.get(kind, keys);
    assert.deepEqual(
      held.map(plainState),
      entities.map((entity) => plainState<Kind>({ version: V, entity })),
    );
    for (const [index, entity] of entities.entries()) {
      const read = held[index]?.entity;
      assert.ok(read !== null && read !== undefined);
      assert.deepEqual(differences<Kind>(read, entity), []);
    }
    await store.sink.apply(keys.map((key) => removal(kind, key, V + 1)));
  });

  if (kind !== 'q-value') return;
  it('keeps every bit of a 64-bit float', async () => {
    const store = opened();
    const entities = HOSTILE_DOUBLES.map((value, index) => ({
      ...sampleEntity('q-value', { name: `double ${index}` }),
      value,
    }));
    await store.sink.apply(entities.map((entity) => upsert('q-value', entity, V)));
    const held = await store.source.get(
      'q-value',
      HOSTILE_DOUBLES.map((_, index) => sampleKey('q-value', `double ${index}`)),
    );
    for (const [index, value] of HOSTILE_DOUBLES.entries())
      assert.ok(Object.is(held[index]?.entity?.value, value), String(value));
  });
}

const POPULATION = 257;

function scanContract<K extends Kind>(kind: K, opened: Opened): void {
  it('walks everything that is there once, in scan order, in chunks of bounded size', async () => {
    const store = opened();
    await populate(store, kind);
    const chunkSizes: number[] = [];
    const rows: SourceRow<K>[] = [];
    for await (const chunk of store.source.scan(kind, WHOLE_RANGE, { limit: 50 })) {
      chunkSizes.push(chunk.rows.length);
      rows.push(...chunk.rows);
      assert.deepEqual(chunk.rejected, []);
      const last = chunk.rows.at(-1);
      if (last !== undefined) assert.ok(compareScanKeys(scanKeyOf(kind, last.entity), chunk.last) <= 0);
    }
    assert.ok(Math.max(...chunkSizes) <= 200, `a chunk of ${Math.max(...chunkSizes)} for a limit of 50`);
    const places = rows.map((row) => scanKeyOf(kind, row.entity));
    assert.deepEqual(places, places.toSorted(compareScanKeys));
    const keys = rows.map((row) => row.key);
    assert.equal(new Set(keys).size, keys.length);
    for (const name of populationNames()) assert.ok(keys.includes(sampleKey(kind, name)), name);
    assert.ok(!keys.includes(sampleKey(kind, 'walked away')), 'a tombstone is no row');
    assert.equal(await store.source.count(kind), rows.length);
    const held = await store.source.get(kind, keys);
    assert.deepEqual(rows.map(plainState), held.map(plainState));
  });

  it('covers everything with its ranges, none of it twice', async () => {
    const store = opened();
    await populate(store, kind);
    const all = await scanKeys(store, kind, WHOLE_RANGE);
    const ranges = await store.source.ranges(kind, 4);
    assert.ok(ranges.length >= 1 && ranges.length <= 16);
    const parts = await Promise.all(ranges.map((range) => scanKeys(store, kind, range)));
    assert.deepEqual(parts.flat(), all);
  });

  it('goes on after the last place of any chunk without a gap or a repetition', async () => {
    const store = opened();
    await populate(store, kind);
    const all = await scanKeys(store, kind, WHOLE_RANGE);
    let seen = 0;
    for await (const chunk of store.source.scan(kind, WHOLE_RANGE, { limit: 60 })) {
      seen += chunk.rows.length;
      const rest = await scanKeys(store, kind, { after: chunk.last, until: null });
      assert.deepEqual(rest, all.slice(seen));
    }
    assert.equal(seen, all.length);
  });
}

function populationNames(): readonly string[] {
  return [
    ...Array.from({ length: POPULATION }, (_, index) => `walk ${index}`),
    'walk \uffee',
    'walk 😀',
    'walk',
    'walk!',
  ];
}

async function populate(store: Store, kind: Kind): Promise<void> {
  const changes = populationNames().map((name) => upsert(kind, sampleEntity(kind, { name }), V));
  await store.sink.apply(changes);
  await store.sink.apply([upsert(kind, sampleEntity(kind, { name: 'walked away' }), V)]);
  await store.sink.apply([removal(kind, sampleKey(kind, 'walked away'), V + 1)]);
}

async function scanKeys<K extends Kind>(store: Store, kind: K, range: ScanRange): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const chunk of store.source.scan(kind, range, { limit: 64 }))
    keys.push(...chunk.rows.map((row) => row.key));
  return keys;
}

async function one<K extends Kind>(store: Store, kind: K, key: string): Promise<Held<K> | undefined> {
  const [held] = await store.source.get(kind, [key]);
  return held;
}

async function assertHeld<K extends Kind>(
  store: Store,
  kind: K,
  key: string,
  expected: { readonly version: number; readonly entity: EntityOf[K] | null },
): Promise<void> {
  assert.deepEqual(plainState(await one(store, kind, key)), plainState<K>(expected));
}

async function statuses(store: Store, changes: readonly Change[]): Promise<readonly Outcome['status'][]> {
  return (await store.sink.apply(changes)).map((outcome) => outcome.status);
}
