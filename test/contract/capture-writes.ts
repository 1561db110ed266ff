import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { EntityOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { FIRST_CAPTURED_VERSION, type Held, join } from '../../schemas/version.ts';
import { plainState, upsert } from '../support/changes.ts';
import { HOSTILE_SCALARS, sampleEntity, sampleKey } from '../support/entities.ts';
import {
  assertIncreasing,
  captureOf,
  deleteOf,
  drained,
  heldOf,
  type Opened,
  plainOf,
  putOf,
  written,
} from './capture-support.ts';
import type { CapturePlace, CaptureUnderContract } from './capture-world.ts';

export function writesContract(
  kind: Kind,
  opened: Opened,
  placed: () => CapturePlace,
  { rejectsUnknownDeletes = [] }: CaptureUnderContract,
): void {
  it('writes the store and the outbox as one: the same state under the same version', async () => {
    const store = opened();
    await drained(store);
    const scalars = kind === 'experience' || kind === 'q-value' ? undefined : HOSTILE_SCALARS;
    const put = (variant: number) => putOf(kind, { name: 'one', variant, ...(scalars && { scalars }) });
    const [created = 0] = await written(captureOf(store), put(1));
    const [updated = 0] = await written(captureOf(store), put(2));
    assert.ok(created >= FIRST_CAPTURED_VERSION && updated > created, `${created}, then ${updated}`);
    const entries = await drained(store);
    assert.deepEqual(
      entries.map(({ change }) => [change.kind, change.key, change.op, change.version]),
      [
        [kind, put(1).key, 'c', created],
        [kind, put(2).key, 'u', updated],
      ],
    );
    for (const [index, { change }] of entries.entries()) {
      const state = { version: 0, entity: put(index + 1).entity } as Held<Kind>;
      assert.deepEqual(plainState({ version: 0, entity: plainOf(change.after) }), plainState(state));
      assert.equal(change.origin.path, 'shim');
      assert.equal(change.origin.store, store.name);
      assert.ok(change.eventId.length > 0);
      assert.ok(Number.isSafeInteger(change.capturedAt) && change.capturedAt > 1.6e15);
    }
    const held = await heldOf(store, kind, put(2).key);
    assert.deepEqual(plainState(held), plainState({ version: updated, entity: put(2).entity } as Held<Kind>));
  });

  it('captures a delete with the state before it, and what comes after it wins over it', async () => {
    const store = opened();
    await drained(store);
    const put = putOf(kind, { name: 'mortal', variant: 3 });
    const gone = deleteOf(kind, 'mortal');
    const [first = 0, second = 0, third = 0] = [
      ...(await written(captureOf(store), put)),
      ...(await written(captureOf(store), gone)),
      ...(await written(captureOf(store), put)),
    ];
    assert.ok(first < second && second < third, `${first}, ${second}, ${third}`);
    const entries = await drained(store);
    assert.deepEqual(
      entries.map(({ change }) => [change.op, change.version]),
      [
        ['c', first],
        ['d', second],
        ['c', third],
      ],
    );
    const [, removal] = entries;
    assert.equal(removal?.change.after, null);
    assert.deepEqual(
      plainState({ version: 0, entity: plainOf(removal?.change.before ?? null) }),
      plainState({ version: 0, entity: put.entity } as Held<Kind>),
    );
    await captureOf(store).write([gone]);
    const tombstone = await heldOf(store, kind, put.key);
    assert.equal(tombstone?.entity, null);
    assert.ok((tombstone?.version ?? 0) > third);
  });

  it(`${rejectsUnknownDeletes.includes(kind) ? 'rejects' : 'captures'} the delete of what is not there`, async () => {
    const store = opened();
    await drained(store);
    if (rejectsUnknownDeletes.includes(kind)) {
      const [result] = await captureOf(store).write([deleteOf(kind, 'never born')]);
      assert.equal(result?.status, 'rejected');
      assert.deepEqual(await drained(store), []);
      return;
    }
    const [version] = await written(captureOf(store), deleteOf(kind, 'never born'));
    const [entry] = await drained(store);
    assert.deepEqual([entry?.change.op, entry?.change.version, entry?.change.before], ['d', version, null]);
  });

  it('keeps the order of several writes of one key in one batch', async () => {
    const store = opened();
    await drained(store);
    const batch = [
      putOf(kind, { name: 'crowded', variant: 1 }),
      putOf(kind, { name: 'beside', variant: 1 }),
      putOf(kind, { name: 'crowded', variant: 2 }),
      deleteOf(kind, 'crowded'),
      putOf(kind, { name: 'crowded', variant: 4 }),
    ];
    await written(captureOf(store), ...batch);
    const ofKey = (await drained(store)).filter(({ change }) => change.key === sampleKey(kind, 'crowded'));
    assert.deepEqual(
      ofKey.map(({ change }) => change.op),
      ['c', 'u', 'd', 'c'],
    );
    assertIncreasing(ofKey);
    const held = await heldOf(store, kind, sampleKey(kind, 'crowded'));
    assert.deepEqual(plainOf(held?.entity ?? null), plainOf(batch[4]?.entity ?? null));
  });

  it('gives increasing versions also after the clock was set back', async () => {
    const store = opened();
    const put = (variant: number) => putOf(kind, { name: 'late', variant });
    const [first = 0] = await written(captureOf(store), put(1));
    await placed().setClockBack(kind, put(1).key);
    const [second = 0] = await written(captureOf(store), put(2));
    const [third = 0] = await written(captureOf(store), deleteOf(kind, 'late'));
    const [fourth = 0] = await written(captureOf(store), put(4));
    assert.ok(first < second && second < third && third < fourth, `${first}, ${second}, ${third}, ${fourth}`);
    await drained(store);
  });

  it('leaves nothing behind of what was rolled back', async () => {
    const store = opened();
    await drained(store);
    const put = putOf(kind, { name: 'abandoned', variant: 1 });
    await placed().rollBack(put);
    assert.equal((await heldOf(store, kind, put.key))?.entity ?? null, null);
    assert.deepEqual(await drained(store), []);
    const [version = 0] = await written(captureOf(store), put);
    assert.deepEqual(
      (await drained(store)).map(({ change }) => change.version),
      [version],
    );
  });

  it('does not capture what a follower writes, and its next write wins over it', async () => {
    const store = opened();
    await drained(store);
    const entity = sampleEntity(kind, { name: 'followed', variant: 1 });
    const followed = 4_000_000_000_000_000;
    await store.sink.apply([upsert(kind, entity as EntityOf[Kind], followed)]);
    assert.deepEqual(await drained(store), []);
    const [version = 0] = await written(captureOf(store), putOf(kind, { name: 'followed', variant: 2 }));
    assert.ok(version > followed);
    const [entry] = await drained(store);
    assert.equal(entry?.change.version, version);
  });

  it('does a write with an event id once', async () => {
    const store = opened();
    await drained(store);
    const eventId = `event of ${kind}`;
    const [first] = await captureOf(store).write([putOf(kind, { name: 'asked', variant: 1 }, eventId)]);
    await written(captureOf(store), putOf(kind, { name: 'asked', variant: 2 }));
    const [again] = await captureOf(store).write([putOf(kind, { name: 'asked', variant: 1 }, eventId)]);
    assert.equal(first?.status, 'written');
    assert.deepEqual(again, { ...first, status: 'repeated' });
    const entries = await drained(store);
    assert.deepEqual(
      entries.map(({ change }) => change.eventId === eventId),
      [true, false],
    );
    const held = await heldOf(store, kind, sampleKey(kind, 'asked'));
    assert.deepEqual(
      plainOf(held?.entity ?? null),
      plainOf(putOf(kind, { name: 'asked', variant: 2 }).entity),
    );
  });
}

const WRITERS = 8;
const ROUNDS = 12;
const KEYS = 4;

export function concurrencyContract(
  kind: Kind,
  opened: Opened,
  placed: () => CapturePlace,
  { concurrentClients, rejectsUnknownDeletes = [] }: CaptureUnderContract,
): void {
  it('captures every acknowledged write of concurrent writers once, in order per key', async () => {
    const store = opened();
    if (rejectsUnknownDeletes.includes(kind)) {
      const names = Array.from({ length: KEYS }, (_, number) => `shared ${number}`);
      await written(captureOf(store), ...names.map((name) => putOf(kind, { name, variant: 999 })));
    }
    await drained(store);
    const clients = concurrentClients
      ? await Promise.all(Array.from({ length: WRITERS }, () => placed().open()))
      : [];
    try {
      const acknowledged: { readonly key: string; readonly version: number }[] = [];
      await Promise.all(
        Array.from({ length: WRITERS }, async (_, writer) => {
          const capture = captureOf(clients[writer] ?? store);
          for (let round = 0; round < ROUNDS; round++) {
            const name = `shared ${(writer + round) % KEYS}`;
            const isDelete = (writer * 7 + round) % 3 === 2;
            const variant = writer * ROUNDS + round;
            const write = isDelete ? deleteOf(kind, name) : putOf(kind, { name, variant });
            const [version = 0] = await written(capture, write);
            acknowledged.push({ key: write.key, version });
          }
        }),
      );
      const entries = await drained(store);
      const said = (each: { readonly key: string; readonly version: number }) =>
        `${each.version} ${each.key}`;
      assert.deepEqual(entries.map(({ change }) => said(change)).sort(), acknowledged.map(said).sort());
      const byKey = Map.groupBy(entries, ({ change }) => change.key);
      assert.equal(byKey.size, KEYS);
      for (const [key, ofKey] of byKey) {
        assertIncreasing(ofKey);
        const folded = ofKey.reduce<Held<Kind> | undefined>(
          (held, { change }) => join(held, { version: change.version, after: plainOf(change.after) }),
          undefined,
        );
        assert.deepEqual(plainState(await heldOf(store, kind, key)), plainState(folded));
      }
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  });
}
