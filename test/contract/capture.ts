import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Capture, Drain, EntityWrite, OutboxEntry, WriteResult } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import type { OutboxOptions } from '../../connectors/outbox-options.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { FIRST_CAPTURED_VERSION, type Held, join } from '../../schemas/version.ts';
import { plainState, upsert } from '../support/changes.ts';
import { HOSTILE_SCALARS, sampleEntity, sampleKey } from '../support/entities.ts';

/** What an implementation says of itself. */
export interface CaptureUnderContract {
  readonly kinds: readonly Kind[];
  /** A fresh, empty place of its own, in which capture is installed by the suite. */
  place(options?: Partial<OutboxOptions>): Promise<CapturePlace>;
  /** Whether several clients may write at once. False where one process owns the place (the dictionary's lock). */
  readonly concurrentClients: boolean;
  /** Whether a claim that is not renewed ends while its process lives. False where the process's life is the claim. */
  readonly claimExpires: boolean;
}

export interface CapturePlace {
  /** Opens a client whose `capture` is there, with `CAPTURE_TEST_SETTINGS` and `CAPTURE_TEST_SPACE`. */
  open(): Promise<Store>;
  /** From now on the clock that gives the versions of this key is about an hour behind what it said before. */
  setClockBack(kind: Kind, key: string): Promise<void>;
  /** Begins one unit of writing with this write, and gives it up or lets it fail before it is committed. */
  rollBack(write: EntityWrite): Promise<void>;
  remove(): Promise<void>;
}

export const CAPTURE_TEST_MAX_BYTES = 100_000;

/** Every write of this suite is in this space (test/support/entities.ts), but for those that must be refused. */
export const CAPTURE_TEST_SPACE = {
  model: 'test-model',
  revision: '1',
  metric: 'cosine',
  normalised: true,
  dimension: 8,
} as const;

export const CAPTURE_TEST_SETTINGS = {
  maxChangeBytes: CAPTURE_TEST_MAX_BYTES,
  space: CAPTURE_TEST_SPACE,
  writer: 'test',
} as const;

type Sampled = {
  readonly name: string;
  readonly variant?: number;
  readonly scalars?: typeof HOSTILE_SCALARS;
};

function putOf<K extends Kind>(kind: K, sample: Sampled, eventId?: string): EntityWrite {
  const entity = sampleEntity(kind, sample);
  const write = { kind, key: keyOf(kind, entity), entity };
  return (eventId === undefined ? write : { ...write, eventId }) as unknown as EntityWrite;
}

const deleteOf = (kind: Kind, name: string): EntityWrite =>
  ({ kind, key: sampleKey(kind, name), entity: null }) as EntityWrite;

/** The promises of `Capture` and `Drain`, held against one implementation on its real server. */
export function captureContract(name: string, subject: CaptureUnderContract): void {
  describe(`${name} keeps the capture contract`, () => {
    let place: CapturePlace;
    let store: Store;
    before(async () => {
      place = await subject.place();
      store = await place.open();
      await store.prepare();
      await captureOf(store).install();
    });
    after(async () => {
      await store.close();
      await place.remove();
    });
    const opened = () => store;

    for (const kind of subject.kinds) {
      describe(kind, () => {
        writesContract(kind, opened, () => place);
        concurrencyContract(kind, opened, () => place, subject);
        refusalContract(kind, opened);
      });
    }
    if (subject.kinds.includes('relationship')) agentDeleteContract(opened);
    drainContract(subject, opened, () => place);
    statusContract(subject, opened);
    boundContract(subject);
  });
}

function captureOf(store: Store): Capture {
  assert.ok(store.capture, 'the store was opened with capture settings, but has no capture');
  return store.capture;
}

async function claimed(capture: Capture): Promise<Drain> {
  const drain = await capture.claim();
  assert.ok(drain, 'nobody else drains, but the claim was refused');
  return drain;
}

const SOON = new AbortController().signal;

/** Everything that is in the outbox now, oldest first; discards it. */
async function drained(store: Store): Promise<readonly OutboxEntry[]> {
  const drain = await claimed(captureOf(store));
  const all: OutboxEntry[] = [];
  try {
    for (;;) {
      const { entries, unreadable } = await drain.next({ limit: 100, waitMs: 0, signal: SOON });
      assert.deepEqual(unreadable, []);
      if (entries.length === 0) break;
      all.push(...entries);
      await drain.discard(entries.map(({ id }) => id));
    }
  } finally {
    await drain.close();
  }
  return all;
}

async function written(capture: Capture, ...writes: EntityWrite[]): Promise<readonly number[]> {
  return (await capture.write(writes)).map(versionIn);
}

function versionIn(result: WriteResult): number {
  assert.equal(result.status, 'written', JSON.stringify(result));
  return result.status === 'written' ? result.version : 0;
}

async function heldOf(store: Store, kind: Kind, key: string): Promise<Held<Kind> | undefined> {
  const [held] = await store.source.get(kind, [key]);
  return held as Held<Kind> | undefined;
}

type Opened = () => Store;

function writesContract(kind: Kind, opened: Opened, placed: () => CapturePlace): void {
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

  it('captures the delete of what is not there', async () => {
    const store = opened();
    await drained(store);
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

function concurrencyContract(
  kind: Kind,
  opened: Opened,
  placed: () => CapturePlace,
  { concurrentClients }: CaptureUnderContract,
): void {
  it('captures every acknowledged write of concurrent writers once, in order per key', async () => {
    const store = opened();
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

function refusalContract(kind: Kind, opened: Opened): void {
  it('rejects what no store or log may hold, before anything is written', async () => {
    const store = opened();
    await drained(store);
    const sound = putOf(kind, { name: 'sound', variant: 1 });
    const faulty = faultyWrites(kind);
    const results = await captureOf(store).write([sound, ...faulty.map(({ write }) => write)]);
    assert.equal(results[0]?.status, 'written');
    for (const [index, { write, says }] of faulty.entries()) {
      const result = results[index + 1];
      assert.equal(result?.status, 'rejected', `${says}: ${JSON.stringify(result)}`);
      assert.match(result?.status === 'rejected' ? result.reason : '', says);
      assert.equal((await heldOf(store, kind, write.key))?.entity ?? null, null);
    }
    assert.deepEqual(
      (await drained(store)).map(({ change }) => change.key),
      [sound.key],
    );
  });
}

interface FaultyWrite {
  readonly write: EntityWrite;
  readonly says: RegExp;
}

function faultyWrites(kind: Kind): readonly FaultyWrite[] {
  const alter = (name: string, fields: object, says: RegExp): FaultyWrite => {
    const sound = putOf(kind, { name });
    return { write: { ...sound, entity: { ...sound.entity, ...fields } } as EntityWrite, says };
  };
  const long = 'x'.repeat(CAPTURE_TEST_MAX_BYTES);
  const tooLong = new RegExp(`\\d{6} bytes.*${CAPTURE_TEST_MAX_BYTES}`);
  const otherKey = { ...putOf(kind, { name: 'a' }), key: sampleKey(kind, 'other') } as EntityWrite;
  const common = { write: otherKey, says: /key/ };
  switch (kind) {
    case 'agent':
      return [
        common,
        alter('long', { attributes: { long } }, tooLong),
        alter('nan', { attributes: { x: Number.NaN } }, /x/),
      ];
    case 'relationship':
      return [
        common,
        alter('long', { properties: { long } }, tooLong),
        alter('strong', { strength: 101 }, /strength/),
      ];
    case 'embedding':
      return [
        common,
        alter(
          'nan',
          { vector: Buffer.from(new Float32Array([Number.NaN, 0, 0, 0, 0, 0, 0, 0]).buffer) },
          /finite|NaN/i,
        ),
        alter('model', { space: { ...CAPTURE_TEST_SPACE, dimension: undefined, model: 'another' } }, /model/),
        alter('dimension', { vector: Buffer.alloc(16), dimension: 4 }, /dimension|length/),
        // Milvus' limit for metadata comes first.
        alter('long', { metadata: { long } }, /\d{6} bytes/),
      ];
    case 'experience':
      return [common, alter('long', { state: long }, /\d/), alter('nan', { reward: Number.NaN }, /reward/)];
    case 'q-value':
      return [common, alter('nan', { value: Number.NaN }, /value/)];
    case 'policy':
      return [common, alter('long', { parameters: { long } }, tooLong)];
    default:
      return kind satisfies never;
  }
}

function agentDeleteContract(opened: Opened): void {
  it('captures the deletes of an agent’s relationships, in and out, before its own', async () => {
    const store = opened();
    const capture = captureOf(store);
    const agent = (id: string) => ({ ...sampleEntity('agent', { name: id }), id });
    const ties = [
      ['hub', 'near'],
      ['hub', 'far'],
      ['far', 'hub'],
      ['near', 'far'],
    ].map(([source = '', target = '']) => ({
      ...sampleEntity('relationship', { name: 'any' }),
      source,
      target,
    }));
    await written(
      capture,
      ...['hub', 'near', 'far'].map((id) => ({ kind: 'agent', key: id, entity: agent(id) }) as EntityWrite),
      ...ties.map(
        (tie) => ({ kind: 'relationship', key: keyOf('relationship', tie), entity: tie }) as EntityWrite,
      ),
    );
    await drained(store);
    await written(capture, { kind: 'agent', key: 'hub', entity: null });
    const entries = await drained(store);
    const touching = ties.slice(0, 3).map((tie) => keyOf('relationship', tie));
    assert.deepEqual(
      entries
        .slice(0, -1)
        .map(({ change }) => `${change.op} ${change.key}`)
        .sort(),
      touching.map((key) => `d ${key}`).sort(),
    );
    const last = entries.at(-1);
    assert.deepEqual([last?.change.kind, last?.change.op, last?.change.key], ['agent', 'd', 'hub']);
    for (const key of touching)
      assert.equal((await heldOf(store, 'relationship', key))?.entity ?? null, null);
    const other = ties[3];
    assert.ok(other);
    assert.notEqual(
      (await heldOf(store, 'relationship', keyOf('relationship', other)))?.entity ?? null,
      null,
    );
  });
}

function drainContract(subject: CaptureUnderContract, opened: Opened, placed: () => CapturePlace): void {
  const kind = subject.kinds[0] ?? 'agent';

  describe('its outbox', () => {
    it('answers each entry once, oldest first, and again after a restart until it is discarded', async () => {
      const store = opened();
      await drained(store);
      for (let number = 0; number < 5; number++) {
        await written(captureOf(store), putOf(kind, { name: `queued ${number}`, variant: number }));
      }
      const drain = await claimed(captureOf(store));
      try {
        const next = async (limit: number) => (await drain.next({ limit, waitMs: 0, signal: SOON })).entries;
        const first = await next(2);
        const second = await next(10);
        assert.deepEqual([first.length, second.length, (await next(10)).length], [2, 3, 0]);
        const all = [...first, ...second];
        assertIncreasing(all);
        assert.equal(new Set(all.map(({ id }) => id)).size, 5);
        drain.restart();
        assert.deepEqual(await next(10), all);
        await drain.discard([all[0]?.id ?? '', all[2]?.id ?? '']);
        await drain.discard([all[0]?.id ?? '']);
        drain.restart();
        assert.deepEqual(await next(10), [all[1], all[3], all[4]]);
        await drain.discard(all.map(({ id }) => id));
        drain.restart();
        assert.deepEqual(await next(10), []);
      } finally {
        await drain.close();
      }
    });

    it('waits for an entry, answers soon after it was written, and ends the wait when told to', async () => {
      const store = opened();
      await drained(store);
      const drain = await claimed(captureOf(store));
      try {
        const waiting = drain.next({ limit: 10, waitMs: 10_000, signal: SOON });
        await sleep(100);
        await written(captureOf(store), putOf(kind, { name: 'awaited', variant: 1 }));
        const { entries } = await waiting;
        assert.equal(entries.length, 1);
        const stop = new AbortController();
        const idle = drain.next({ limit: 10, waitMs: 60_000, signal: stop.signal });
        await sleep(50);
        stop.abort();
        assert.deepEqual(await idle, { entries: [], unreadable: [] });
        await drain.discard(entries.map(({ id }) => id));
      } finally {
        await drain.close();
      }
    });

    it('is drained by one at a time', async () => {
      const capture = captureOf(opened());
      const first = await claimed(capture);
      assert.equal(await capture.claim(), undefined);
      assert.equal(await first.renew(), true);
      await first.close();
      await first.close();
      const second = await claimed(capture);
      await second.close();
    });

    if (subject.claimExpires) {
      it('ends a claim that is not renewed: its holder cannot discard any more', {
        timeout: 60_000,
      }, async () => {
        const capture = captureOf(opened());
        await written(capture, putOf(kind, { name: 'fenced', variant: 1 }));
        const late = await claimed(capture);
        const { entries } = await late.next({ limit: 10, waitMs: 0, signal: SOON });
        const [id = ''] = entries.map((entry) => entry.id);
        await sleep(late.renewWithinMs + 500);
        const now = await claimed(capture);
        assert.equal(await late.renew(), false);
        await assert.rejects(late.discard([id]), hasCode('conflict'));
        await assert.rejects(late.setAside({ id, reason: 'none' }), hasCode('conflict'));
        await late.close();
        assert.equal(await now.renew(), true);
        const still = await now.next({ limit: 10, waitMs: 0, signal: SOON });
        assert.ok(still.entries.some((entry) => entry.id === id));
        await now.close();
        await drained(opened());
      });
    }

    it('keeps an entry that is set aside, out of the way', async () => {
      const store = opened();
      await drained(store);
      const before = (await captureOf(store).status()).setAside;
      await written(captureOf(store), putOf(kind, { name: 'odd', variant: 1 }));
      const drain = await claimed(captureOf(store));
      const { entries } = await drain.next({ limit: 10, waitMs: 0, signal: SOON });
      await drain.setAside({ id: entries[0]?.id ?? '', reason: 'a test' });
      drain.restart();
      assert.deepEqual((await drain.next({ limit: 10, waitMs: 0, signal: SOON })).entries, []);
      await drain.close();
      const status = await captureOf(store).status();
      assert.deepEqual([status.entries, status.setAside], [0, before + 1]);
    });

    it('outlives its client: what was not discarded is there for the next', async () => {
      const own = await subject.place();
      try {
        const first = await own.open();
        await first.prepare();
        await captureOf(first).install();
        const versions: number[] = [];
        for (let number = 0; number < 3; number++) {
          versions.push(...(await written(captureOf(first), putOf(kind, { name: `kept ${number}` }))));
        }
        const drain = await claimed(captureOf(first));
        const { entries } = await drain.next({ limit: 10, waitMs: 0, signal: SOON });
        await drain.discard([entries[0]?.id ?? '']);
        await drain.close();
        await first.close();
        const second = await own.open();
        const [after = 0] = await written(captureOf(second), putOf(kind, { name: 'kept 0', variant: 5 }));
        assert.ok(after > Math.max(...versions));
        const left = await drained(second);
        assert.deepEqual(
          left.map(({ change }) => change.version),
          [...versions.slice(1), after],
        );
        assert.deepEqual(left.slice(0, 2), entries.slice(1));
        await second.close();
      } finally {
        await own.remove();
      }
    });
  });
  void placed;
}

function statusContract(subject: CaptureUnderContract, opened: Opened): void {
  const kind = subject.kinds[0] ?? 'agent';

  it('says whether it is active, how many entries wait and since when, and is not removed with entries in it', async () => {
    const capture = captureOf(opened());
    await drained(opened());
    const idle = await capture.status();
    assert.deepEqual([idle.active, idle.entries, idle.oldestUs, idle.lostSinceUs], [true, 0, null, null]);
    assert.ok(idle.detail.length > 0);
    const beforeUs = Date.now() * 1000 - 120_000_000;
    await written(capture, putOf(kind, { name: 'counted' }), putOf(kind, { name: 'counted too' }));
    const busy = await capture.status();
    assert.equal(busy.entries, 2);
    assert.ok((busy.oldestUs ?? 0) > beforeUs && (busy.oldestUs ?? 0) < Date.now() * 1000 + 120_000_000);
    await assert.rejects(capture.uninstall(), hasCode('conflict'));
    await capture.install();
    assert.equal((await capture.status()).entries, 2);
    await drained(opened());
  });
}

function boundContract(subject: CaptureUnderContract): void {
  const kind = subject.kinds[0] ?? 'agent';
  const fill = async (own: CapturePlace) => {
    const store = await own.open();
    await store.prepare();
    await captureOf(store).install();
    for (let number = 0; number < 5; number++) {
      await written(captureOf(store), putOf(kind, { name: `full ${number}`, variant: number }));
    }
    return store;
  };

  it('refuses writes when the outbox is full, and takes them again when it has been drained', async () => {
    const own = await subject.place({ maxEntries: 5, whenFull: 'refuse' });
    try {
      const store = await fill(own);
      const put = putOf(kind, { name: 'too many', variant: 1 });
      await assert.rejects(captureOf(store).write([put]), hasCode('outbox-full'));
      assert.equal((await heldOf(store, kind, put.key))?.entity ?? null, null);
      assert.equal((await drained(store)).length, 5);
      await written(captureOf(store), put);
      assert.equal((await drained(store)).length, 1);
      await store.close();
    } finally {
      await own.remove();
    }
  });

  it('drops capture where that is the policy, says since when, and forgets it when a backfill has made it good', async () => {
    const own = await subject.place({ maxEntries: 5, whenFull: 'drop' });
    try {
      const store = await fill(own);
      const capture = captureOf(store);
      const put = putOf(kind, { name: 'too many', variant: 1 });
      const [version = 0] = await written(capture, put);
      assert.equal((await heldOf(store, kind, put.key))?.version, version);
      const { lostSinceUs, entries } = await capture.status();
      assert.equal(entries, 5);
      assert.ok(lostSinceUs !== null && lostSinceUs > 1.6e15);
      assert.equal((await drained(store)).length, 5);
      const [next = 0] = await written(capture, putOf(kind, { name: 'again', variant: 1 }));
      assert.ok(next > version);
      assert.equal((await drained(store)).length, 1);
      await capture.acceptLoss(lostSinceUs - 1);
      assert.equal((await capture.status()).lostSinceUs, lostSinceUs);
      // What was lost again, after the backfill began, is not made good by it.
      const betweenUs = Date.now() * 1000;
      await sleep(5);
      for (let number = 0; number < 6; number++) {
        await written(capture, putOf(kind, { name: `lost ${number}`, variant: number }));
      }
      await capture.acceptLoss(betweenUs);
      assert.notEqual((await capture.status()).lostSinceUs, null);
      await capture.acceptLoss(Date.now() * 1000 + 3_600_000_000);
      assert.equal((await capture.status()).lostSinceUs, null);
      await store.close();
    } finally {
      await own.remove();
    }
  });

  it('is not active once it was uninstalled', async () => {
    const own = await subject.place();
    try {
      const store = await own.open();
      await store.prepare();
      await captureOf(store).install();
      assert.equal((await captureOf(store).status()).active, true);
      await captureOf(store).uninstall();
      const { active, detail } = await captureOf(store).status();
      assert.equal(active, false);
      assert.ok(detail.length > 0);
      await store.close();
    } finally {
      await own.remove();
    }
  });
}

function assertIncreasing(entries: readonly OutboxEntry[]): void {
  for (const [index, { change }] of entries.entries()) {
    const previous = entries[index - 1]?.change.version ?? 0;
    assert.ok(change.version > previous, `version ${change.version} after ${previous}`);
  }
}

/** Without the classes that Avro and drivers give to records and bytes. */
function plainOf<E extends object>(entity: E | null): E | null {
  if (entity === null) return null;
  const fields = Object.entries(entity).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? Buffer.from(value) : isPlainable(value) ? { ...value } : value,
  ]);
  return Object.fromEntries(fields) as E;
}

function isPlainable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ChangeoverError && error.code === code;
}
