import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Drain, OutboxEntry, SetAsideEntry } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import {
  assertIncreasing,
  captureOf,
  claimed,
  drained,
  hasCode,
  type Opened,
  putOf,
  SOON,
  written,
} from './capture-support.ts';
import type { CapturePlace, CaptureUnderContract } from './capture-world.ts';

export function drainContract(
  subject: CaptureUnderContract,
  opened: Opened,
  placed: () => CapturePlace,
): void {
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

    it('lists what was set aside, and forgets what it is told to and nothing else, beside a relay at work', async () => {
      const own = await subject.place();
      try {
        const store = await own.open();
        await store.prepare();
        await captureOf(store).install();
        const puts = Array.from({ length: MANY }, (_, number) => putOf(kind, { name: `odd ${number}` }));
        await written(captureOf(store), ...puts);
        const drain = await claimed(captureOf(store));
        const queued = await allQueued(drain);
        assert.equal(queued.length, MANY);
        // In another order than they came, and the first of them twice.
        const [first] = queued;
        for (const { id, change } of [...queued.toReversed(), ...(first ? [first] : [])]) {
          await drain.setAside({ id, reason: `a test of ${change.key}` });
        }
        const said = queued.map(({ id, change: { key, capturedAt } }) => {
          return { id, kind, key, reason: `a test of ${key}`, capturedUs: capturedAt };
        });
        assert.deepEqual(await listed(store), byId(said));

        const clear = (...ids: readonly string[]) => captureOf(store).clearSetAside(ids);
        const [one = '', two = '', ...others] = said.map(({ id }) => id);
        assert.equal(await clear(), 0);
        assert.equal(await clear(one, 'never there', two, one), 2);
        assert.equal(await clear(one, two), 0);
        assert.deepEqual(await listed(store), byId(said.slice(2)));
        assert.equal((await captureOf(store).status()).setAside, MANY - 2);
        // The relay goes on as before.
        await written(captureOf(store), putOf(kind, { name: 'odd again' }));
        const [again] = await allQueued(drain);
        await drain.setAside({ id: again?.id ?? '', reason: 'another' });
        assert.equal(await clear(...others.slice(1)), MANY - 3);
        await drain.close();
        await store.close();

        const next = await own.open();
        await (await claimed(captureOf(next))).close();
        const left = [others[0], again?.id].map((id) => id ?? '').sort();
        assert.deepEqual(
          (await listed(next)).map(({ id }) => id),
          left,
        );
        assert.equal(await captureOf(next).clearSetAside(left), 2);
        assert.deepEqual(await listed(next), []);
        assert.equal((await captureOf(next).status()).setAside, 0);
        await next.close();
      } finally {
        await own.remove();
      }
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

/** More than is read at once. */
const MANY = 130;

async function allQueued(drain: Drain): Promise<readonly OutboxEntry[]> {
  const all: OutboxEntry[] = [];
  for (;;) {
    const { entries } = await drain.next({ limit: 1_000, waitMs: 0, signal: SOON });
    if (entries.length === 0) return all;
    all.push(...entries);
  }
}

const byId = <E extends { readonly id: string }>(entries: readonly E[]): readonly E[] =>
  [...entries].sort((left, right) => (left.id < right.id ? -1 : 1));

async function listed(store: Store): Promise<readonly SetAsideEntry[]> {
  return byId(await Array.fromAsync(captureOf(store).setAsideEntries()));
}
