import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import type { Upkeep } from '../../connectors/upkeep.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Held, join } from '../../schemas/version.ts';
import { plainState, removal, upsert } from '../support/changes.ts';
import { HOSTILE_TEXTS, sampleEntity, sampleKey } from '../support/entities.ts';

/** What an implementation says of itself. */
export interface UpkeepUnderContract {
  /** A fresh, empty, prepared store; called once. */
  open(): Promise<Store>;
  /** A second client of the same place. */
  reopen(): Promise<Store>;
  readonly kinds: readonly Kind[];
  /** Whether a purge and a sink may be at work at once (see `storeContract`). */
  readonly concurrentSinks?: boolean;
  /** Whether a purge is one step, so that it cannot be interrupted between two (the dictionary). */
  readonly inOneStep?: boolean;
}

const V = 1_700_000_000_000_000;
/** What is older than this goes, in all of these tests. */
const CUT = V + 1_000;

/** The promises of `Upkeep` that concern tombstones, held against one implementation on its real server. */
export function upkeepContract(name: string, subject: UpkeepUnderContract): void {
  describe(`${name} keeps the contract of upkeep`, { concurrency: false }, () => {
    let store: Store;
    before(async () => {
      store = await subject.open();
    });
    after(async () => {
      await store.close();
    });
    const reopened = async (): Promise<Store> => {
      if (subject.concurrentSinks !== false) return subject.reopen();
      await store.close();
      store = await subject.reopen();
      return store;
    };

    for (const kind of subject.kinds) {
      describe(kind, () => {
        const key = (text: string) => sampleKey(kind, text);
        const remove = (text: string, version: number) => removal(kind, key(text), version);
        const write = (text: string, version: number) =>
          upsert(kind, sampleEntity(kind, { name: text, variant: version % 100 }), version);
        const held = (text: string) => heldOf(store, kind, key(text));
        const purge = (limit?: number) => purgeAll(upkeepOf(store), kind, CUT, limit);

        it('removes the tombstones that are older than the version that it is given, and no other', async () => {
          await store.sink.apply([
            write('was there', V),
            remove('older', V + 1),
            remove('just older', CUT - 1),
            remove('as old', CUT),
            remove('younger', CUT + 1),
          ]);
          await store.sink.apply([remove('was there', V + 500)]);
          assert.deepEqual(await upkeepOf(store).countTombstones(kind, CUT), { all: 5, older: 3 });
          assert.equal(await purge(), 3);
          assert.deepEqual(await upkeepOf(store).countTombstones(kind, CUT), { all: 2, older: 0 });
          for (const gone of ['older', 'just older', 'was there'])
            assert.equal(await held(gone), undefined, gone);
          for (const [text, version] of [
            ['as old', CUT],
            ['younger', CUT + 1],
          ] as const) {
            assert.deepEqual(await held(text), { version, entity: null });
            assert.deepEqual(await outcomes(store, [write(text, version)]), ['stale']);
          }
          assert.equal(await purge(), 0);
        });

        it('lets a key that it has forgotten begin anew', async () => {
          await store.sink.apply([remove('forgotten', V + 9)]);
          await purge();
          assert.deepEqual(await outcomes(store, [write('forgotten', 3)]), ['applied']);
          assert.equal((await held('forgotten'))?.version, 3);
          assert.deepEqual(await outcomes(store, [remove('forgotten', CUT + 5)]), ['applied']);
          assert.deepEqual(await held('forgotten'), { version: CUT + 5, entity: null });
        });

        it('leaves every entity as it is, one that came back from its delete as well', async () => {
          const changes = [write('alive', 2), write('old', V + 3), write('new', CUT + 3)];
          await store.sink.apply([...changes, remove('back', V + 4), remove('back newer', V + 4)]);
          const back = [write('back', V + 6), write('back newer', CUT + 6)];
          await store.sink.apply(back);
          await purge();
          for (const change of [...changes, ...back]) {
            const [found] = await store.source.get(kind, [change.key]);
            const { version, after: entity } = change;
            assert.deepEqual(plainState(found), plainState({ version, entity } as Held<Kind>), change.key);
            assert.deepEqual(
              (await store.sink.apply([change])).map(({ status }) => status),
              ['stale'],
              change.key,
            );
          }
        });

        it('finds keys with quotes, line breaks and emoji', async () => {
          await store.sink.apply(HOSTILE_TEXTS.map((text) => remove(text, V + 7)));
          assert.equal(await purge(5), HOSTILE_TEXTS.length);
          for (const text of HOSTILE_TEXTS) assert.equal(await held(text), undefined, text);
        });

        it('goes on in another client where it was left', async () => {
          const texts = Array.from({ length: 30 }, (_, index) => `half ${index}`);
          await store.sink.apply(texts.map((text) => remove(text, V + 8)));
          let first = 0;
          if (subject.inOneStep !== true) {
            for await (const removed of upkeepOf(store).purgeTombstones(kind, CUT, { limit: 7 })) {
              first += removed;
              if (first > 0) break;
            }
            assert.ok(first > 0);
            const { older } = await upkeepOf(store).countTombstones(kind, CUT);
            // A small hash of Redis is read in one page, whatever is asked for.
            assert.equal(older, texts.length - first);
          }
          const other = await reopened();
          try {
            assert.equal(await purgeAll(upkeepOf(other), kind, CUT, 7), texts.length - first);
          } finally {
            if (other !== store) await other.close();
          }
          for (const text of texts) assert.equal(await held(text), undefined);
        });

        it('stops when it is told to', async () => {
          await store.sink.apply([remove('kept by the signal', V + 9)]);
          const signal = AbortSignal.abort();
          const stopped = Array.fromAsync(upkeepOf(store).purgeTombstones(kind, CUT, { signal }));
          await assert.rejects(stopped, { name: 'AbortError' });
          assert.equal((await held('kept by the signal'))?.version, V + 9);
          assert.equal(await purge(), 1);
        });

        it('leaves alone what a sink writes at the same time', async (t) => {
          if (subject.concurrentSinks === false) return t.skip('one writer at a time');
          await race(kind, store, await subject.reopen());
        });
      });
    }
  });
}

const RACED_KEYS = 40;
const ROUNDS = 15;

/**
 * A sink deletes, revives and deletes again while another client purges without a pause. Each key ends above the cut, so the
 * store has to end as if nobody had purged: a tombstone that went although it was newer would show as nothing held.
 */
async function race(kind: Kind, store: Store, other: Store): Promise<void> {
  const key = (index: number) => sampleKey(kind, `raced ${index}`);
  const expected = new Map<string, Held<Kind>>();
  const apply = async (changes: readonly Change[]): Promise<void> => {
    for (const change of changes) expected.set(change.key, join<Kind>(expected.get(change.key), change));
    for (const { status } of await store.sink.apply(changes)) assert.equal(status, 'applied');
  };
  const done = new AbortController();
  let removed = 0;
  const purging = (async () => {
    while (!done.signal.aborted) removed += await purgeAll(upkeepOf(other), kind, CUT, 11);
  })();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      // Below the cut in the first rounds, so that there is something to purge; at and above it at the end.
      const version = round < ROUNDS - 3 ? V + 10 + round * 4 : CUT + round * 4;
      const all = Array.from({ length: RACED_KEYS }, (_, index) => index);
      await apply(all.map((index) => removal(kind, key(index), version)));
      const revived = all.filter((index) => index % 3 === round % 3);
      await apply(
        revived.map((index) =>
          upsert(kind, sampleEntity(kind, { name: `raced ${index}`, variant: round }), version + 1),
        ),
      );
      await apply(
        revived.filter((index) => index % 2 === 0).map((index) => removal(kind, key(index), version + 2)),
      );
    }
  } finally {
    done.abort();
    await purging;
    await other.close();
  }
  assert.ok(removed > 0, 'nothing was purged, so nothing was shown');
  const keys = [...expected.keys()];
  const found = await store.source.get(kind, keys);
  for (const [index, each] of keys.entries()) {
    assert.deepEqual(plainState(found[index]), plainState(expected.get(each)), each);
  }
}

function upkeepOf(store: Store): Upkeep {
  assert.ok(store.upkeep !== undefined, `${store.name} offers no upkeep`);
  return store.upkeep;
}

async function purgeAll(upkeep: Upkeep, kind: Kind, cut: number, limit = 100): Promise<number> {
  let removed = 0;
  for await (const some of upkeep.purgeTombstones(kind, cut, { limit })) removed += some;
  return removed;
}

async function heldOf(store: Store, kind: Kind, key: string): Promise<Held<Kind> | undefined> {
  return (await store.source.get(kind, [key]))[0];
}

async function outcomes(store: Store, changes: readonly Change[]): Promise<readonly string[]> {
  return (await store.sink.apply(changes)).map(({ status }) => status);
}
