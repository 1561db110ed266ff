import type { Clock } from '../../core/clock.ts';
import type { Drain, NextOptions, OutboxBatch, OutboxEntry, UnreadableEntry } from '../capture.ts';
import type { Neo4jClient } from './client.ts';
import { LEASE_MS, type Lease } from './lease.ts';
import { quoted } from './names.ts';
import { entryName, type OutboxScope, readEntry } from './outbox-entry.ts';
import { BOOK, type OutboxNames } from './outbox-names.ts';
import { countOutbox, readOutbox } from './read-outbox.ts';

/** How long to wait before looking again: short while entries come, longer when none has come for some seconds. */
const BUSY_POLL_MS = 3;
const IDLE_POLL_MS = 50;
const BUSY_FOR_MS = 3_000;

/** So many entries may be answered and not discarded; each look names them to the server. */
const MOST_UNCONFIRMED = 5_000;

const NOTHING: OutboxBatch = { entries: [], unreadable: [] };

interface DrainScope extends OutboxScope {
  readonly client: Neo4jClient;
  readonly outbox: OutboxNames;
  readonly clock: Clock;
  readonly lease: Lease;
}

export class OutboxDrain implements Drain {
  readonly renewWithinMs = LEASE_MS;
  readonly #scope: DrainScope;
  readonly #answered = new Set<string>();
  /** Where those are, and those from before a restart. */
  readonly #places = new Map<string, string>();
  #lastEntryMs: number;
  #closed = false;

  constructor(scope: DrainScope) {
    this.#scope = scope;
    this.#lastEntryMs = scope.clock.elapsedMs();
  }

  async renew(): Promise<boolean> {
    return !this.#closed && (await this.#scope.lease.renew());
  }

  async next({ limit, waitMs, signal }: NextOptions): Promise<OutboxBatch> {
    const { clock } = this.#scope;
    const until = clock.elapsedMs() + waitMs;
    for (;;) {
      if (signal.aborted) return NOTHING;
      const batch = await this.#read(limit);
      if (batch !== NOTHING) return batch;
      const nowMs = clock.elapsedMs();
      if (nowMs >= until) return NOTHING;
      const pollMs = nowMs - this.#lastEntryMs < BUSY_FOR_MS ? BUSY_POLL_MS : IDLE_POLL_MS;
      try {
        await clock.sleep(Math.min(pollMs, until - nowMs), signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  async #read(limit: number): Promise<OutboxBatch> {
    const { client, outbox, clock } = this.#scope;
    const room = Math.min(limit, MOST_UNCONFIRMED - this.#answered.size);
    if (room <= 0) return NOTHING;
    // The usual look finds nothing new, and must cost next to nothing.
    if ((await countOutbox(client, outbox.outbox)) === this.#answered.size) return NOTHING;
    const rows = await readOutbox(client, outbox.outbox, { limit: room, except: [...this.#answered] });
    if (rows.length === 0) return NOTHING;
    this.#lastEntryMs = clock.elapsedMs();
    const entries: OutboxEntry[] = [];
    const unreadable: UnreadableEntry[] = [];
    for (const row of rows) {
      this.#places.set(entryName(row.properties).id, row.elementId);
      const read = readEntry(row, this.#scope);
      if (read.entry === undefined) unreadable.push(read.unreadable);
      else entries.push(read.entry);
    }
    for (const { id } of [...entries, ...unreadable]) this.#answered.add(id);
    return { entries, unreadable };
  }

  restart(): void {
    this.#answered.clear();
  }

  async discard(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { lease, outbox } = this.#scope;
    const { found, places } = this.#lookUp(ids);
    await lease.fenced((transaction) =>
      transaction.run(`${found} AND o:${quoted(outbox.outbox)} DELETE o`, { ids, places }),
    );
    this.#forget(ids);
  }

  async setAside({ id, reason }: Pick<UnreadableEntry, 'id' | 'reason'>): Promise<void> {
    const { lease, outbox } = this.#scope;
    const { found, places } = this.#lookUp([id]);
    await lease.fenced((transaction) =>
      transaction.run(
        `${found} AND o:${quoted(outbox.outbox)}
         SET o:${quoted(outbox.aside)}, o.${BOOK.reason} = $reason REMOVE o:${quoted(outbox.outbox)}`,
        { ids: [id], places, reason },
      ),
    );
    this.#forget([id]);
  }

  /** Ids have no index; one that this drain has not answered has to be looked for. */
  #lookUp(ids: readonly string[]): { readonly found: string; readonly places: readonly string[] } {
    const places = ids.flatMap((id) => this.#places.get(id) ?? []);
    const isKnown = places.length === ids.length;
    const where = isKnown ? 'elementId(o) IN $places AND ' : '';
    const label = isKnown ? '' : `:${quoted(this.#scope.outbox.outbox)}`;
    return { found: `MATCH (o${label}) WHERE ${where}o.${BOOK.id} IN $ids`, places };
  }

  #forget(ids: readonly string[]): void {
    for (const id of ids) {
      this.#answered.delete(id);
      this.#places.delete(id);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#scope.lease.giveUp();
  }
}
