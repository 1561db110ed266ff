import type { Clock } from '../../../core/clock.ts';
import { chunked } from '../../../core/sequence.ts';
import type { Drain, NextOptions, OutboxBatch, UnreadableEntry } from '../../capture.ts';
import type { SingleClient } from '../client/client.ts';
import { Doorbell } from './doorbell.ts';
import { DISCARD, GIVE_UP_CLAIM, RENEW_CLAIM, SET_ASIDE } from './drain-scripts.ts';
import type { Expiries } from './expiries.ts';
import { type EntryContext, readEntries, type StreamEntry } from './outbox-entry.ts';

export const CLAIM_MS = 10_000;
const IDS_PER_CALL = 1_000;
const ENTRIES_PER_READ = 1_000;
/** How often it is looked for keys that have expired, and for entries behind the place that reading has come to. */
const SWEEP_MS = 1_000;
/** With more than these under way it is not looked for entries that were left behind. */
const MOST_UNDER_WAY = 100;
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
  /** What was answered and is in the outbox still, as far as this drain has done to it. */
  readonly #answered = new Set<string>();
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
      const behind = await this.#sweep();
      const batch = behind ?? (await this.#read(Math.min(limit, ENTRIES_PER_READ)));
      if (batch !== undefined) return batch;
      const leftMs = deadlineMs - clock.elapsedMs();
      if (leftMs <= 0) break;
      await this.#doorbell.wait(this.#from, Math.min(leftMs, SWEEP_MS), signal);
    }
    return { entries: [], unreadable: [] };
  }

  restart(): void {
    this.#from = BEGINNING;
    this.#answered.clear();
  }

  async discard(ids: readonly string[]): Promise<void> {
    const { client, layout, token } = this.#context;
    for (const chunk of chunked(ids, IDS_PER_CALL)) {
      await client.run(DISCARD, [layout.relayKey, layout.outboxKey], [token, ...chunk]);
      for (const id of chunk) this.#answered.delete(id);
    }
  }

  async setAside({ id, reason }: Pick<UnreadableEntry, 'id' | 'reason'>): Promise<void> {
    const { client, layout, token } = this.#context;
    await client.run(SET_ASIDE, [layout.relayKey, layout.outboxKey, layout.asideKey], [token, id, reason]);
    this.#answered.delete(id);
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
    return this.#answer(found as readonly StreamEntry[]);
  }

  #answer(found: readonly StreamEntry[]): OutboxBatch {
    for (const [id] of found) this.#answered.add(id.toString());
    return readEntries(found, this.#context);
  }

  /** Once in a while. Answers entries that reading on would never come to. */
  async #sweep(): Promise<OutboxBatch | undefined> {
    const nowMs = this.#context.clock.elapsedMs();
    if (nowMs - this.#sweptAtMs < SWEEP_MS) return undefined;
    await this.#context.expiries.sweep();
    const behind = await this.#leftBehind();
    this.#sweptAtMs = nowMs;
    return behind.length === 0 ? undefined : this.#answer(behind);
  }

  /**
   * Entries before the place that reading has come to, but for those that were answered. Names are by the server's time, and
   * one that was restored, or has taken over from another, may be behind the one that it follows.
   */
  async #leftBehind(): Promise<readonly StreamEntry[]> {
    const from = this.#from;
    // As it was: what is discarded meanwhile may be in the answer still.
    const answered = new Set(this.#answered);
    if (from === BEGINNING || answered.size > MOST_UNDER_WAY) return [];
    const { client, layout } = this.#context;
    const found = await client.call((redis) =>
      redis.xrangeBuffer(layout.outboxKey, '-', from.slice(1), 'COUNT', answered.size + MOST_UNDER_WAY),
    );
    if (this.#from !== from) return [];
    return (found as readonly StreamEntry[]).filter(([id]) => !answered.has(id.toString()));
  }
}
