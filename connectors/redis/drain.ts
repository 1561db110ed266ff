import type { Clock } from '../../core/clock.ts';
import { chunked } from '../../core/sequence.ts';
import type { Drain, NextOptions, OutboxBatch, UnreadableEntry } from '../capture.ts';
import type { SingleClient } from './client.ts';
import { Doorbell } from './doorbell.ts';
import { DISCARD, GIVE_UP_CLAIM, RENEW_CLAIM, SET_ASIDE } from './drain-scripts.ts';
import type { Expiries } from './expiries.ts';
import { type EntryContext, readEntries, type StreamEntry } from './outbox-entry.ts';

export const CLAIM_MS = 10_000;
const IDS_PER_CALL = 1_000;
const ENTRIES_PER_READ = 1_000;
/** How often keys that have expired are looked for. */
const SWEEP_MS = 1_000;
const BEGINNING = '-';

interface DrainContext extends EntryContext {
  readonly client: SingleClient;
  readonly clock: Clock;
  readonly expiries: Expiries;
  /** Names this claim. */
  readonly token: string;
}

/**
 * Reads the outbox in order, without a consumer group: one reader at a time has the claim, and knows itself how far it
 * has come. What changes the outbox is fenced by the claim's token, in the script that does it.
 */
export class RedisDrain implements Drain {
  readonly renewWithinMs = CLAIM_MS;
  readonly #context: DrainContext;
  readonly #doorbell: Doorbell;
  /** Where the next read begins. */
  #from = BEGINNING;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(context: DrainContext) {
    this.#context = context;
    this.#doorbell = new Doorbell(context);
  }

  async renew(): Promise<boolean> {
    const { client, layout, token } = this.#context;
    return (await client.run(RENEW_CLAIM, [layout.relayKey], [token, String(CLAIM_MS)])) === 1;
  }

  async next({ limit, waitMs, signal }: NextOptions): Promise<OutboxBatch> {
    const { clock } = this.#context;
    const deadlineMs = clock.elapsedMs() + waitMs;
    while (!signal.aborted) {
      await this.#sweep();
      const batch = await this.#read(Math.min(limit, ENTRIES_PER_READ));
      if (batch !== undefined) return batch;
      const leftMs = deadlineMs - clock.elapsedMs();
      if (leftMs <= 0) break;
      await this.#doorbell.wait(this.#from, Math.min(leftMs, SWEEP_MS), signal);
    }
    return { entries: [], unreadable: [] };
  }

  restart(): void {
    this.#from = BEGINNING;
  }

  async discard(ids: readonly string[]): Promise<void> {
    const { client, layout, token } = this.#context;
    for (const chunk of chunked(ids, IDS_PER_CALL)) {
      await client.run(DISCARD, [layout.relayKey, layout.outboxKey], [token, ...chunk]);
    }
  }

  async setAside({ id, reason }: Pick<UnreadableEntry, 'id' | 'reason'>): Promise<void> {
    const { client, layout, token } = this.#context;
    await client.run(SET_ASIDE, [layout.relayKey, layout.outboxKey, layout.asideKey], [token, id, reason]);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#doorbell.close();
    await this.#context.client.run(GIVE_UP_CLAIM, [this.#context.layout.relayKey], [this.#context.token]);
  }

  async #read(limit: number): Promise<OutboxBatch | undefined> {
    const { client, layout } = this.#context;
    const from = this.#from;
    const found = await client.call((redis) =>
      redis.xrangeBuffer(layout.outboxKey, from, '+', 'COUNT', limit),
    );
    const last = found.at(-1);
    if (last === undefined) return undefined;
    // Unless it was told to begin again meanwhile.
    if (this.#from === from) this.#from = `(${last[0].toString()}`;
    return readEntries(found as readonly StreamEntry[], this.#context);
  }

  async #sweep(): Promise<void> {
    const nowMs = this.#context.clock.elapsedMs();
    if (nowMs - this.#sweptAtMs < SWEEP_MS) return;
    await this.#context.expiries.sweep();
    this.#sweptAtMs = nowMs;
  }
}
