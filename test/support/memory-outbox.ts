import { randomUUID } from 'node:crypto';
import type { OutboxEntry, UnreadableEntry } from '../../connectors/capture.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { Watchers } from '../../core/watchers.ts';
import type { Change } from '../../schemas/change.ts';
import { MemoryStore } from './memory-store.ts';

type Call = 'claim' | 'renew' | 'next' | 'discard' | 'setAside' | 'status';

export interface MemoryOutboxOptions {
  readonly name?: string;
  readonly renewWithinMs?: number;
  readonly maxEntries?: number;
  readonly whenFull?: 'refuse' | 'drop';
  readonly clock?: Clock;
}

export type Item =
  | { readonly seq: number; readonly entry: OutboxEntry }
  | { readonly seq: number; readonly unreadable: UnreadableEntry };

/** What outlives the processes: a store with its outbox, its claim, and what was set aside. */
export class MemoryOutbox {
  readonly options: Required<MemoryOutboxOptions>;
  readonly store: MemoryStore;
  readonly watchers = new Watchers();
  readonly setAside: { readonly item: Item; readonly reason: string }[] = [];
  readonly discarded: string[] = [];
  readonly events = new Map<string, number>();
  /** Called before each call of a capture or drain on this outbox: it may take time, or throw. */
  before: (call: Call, ids: readonly string[]) => Promise<void> | void = () => {};
  active = false;
  lostSinceUs: number | null = null;
  lostUntilUs = 0;
  /** How far the clock that gives the versions is behind. */
  behindUs = 0;
  #items: Item[] = [];
  #seq = 0;
  #claim: { readonly token: string; untilMs: number } | undefined;

  constructor(options: MemoryOutboxOptions = {}) {
    this.options = {
      name: 'legacy.memory',
      renewWithinMs: 2_000,
      maxEntries: 1_000_000,
      whenFull: 'refuse',
      clock: systemClock,
      ...options,
    };
    this.store = new MemoryStore(this.options.name);
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  append(change: Change): void {
    this.#seq += 1;
    this.#items.push({ seq: this.#seq, entry: { id: `e${this.#seq}`, change } });
    this.watchers.wake();
  }

  appendUnreadable(where: string, reason: string): void {
    this.#seq += 1;
    this.#items.push({ seq: this.#seq, unreadable: { id: `e${this.#seq}`, where, reason } });
    this.watchers.wake();
  }

  remove(ids: readonly string[]): readonly Item[] {
    const wanted = new Set(ids);
    const removed = this.#items.filter((item) => wanted.has(idOf(item)));
    this.#items = this.#items.filter((item) => !wanted.has(idOf(item)));
    return removed;
  }

  claim(): string | undefined {
    const nowMs = this.options.clock.elapsedMs();
    if (this.#claim !== undefined && this.#claim.untilMs > nowMs) return undefined;
    this.#claim = { token: randomUUID(), untilMs: nowMs + this.options.renewWithinMs };
    return this.#claim.token;
  }

  renew(token: string): boolean {
    if (!this.holds(token) || this.#claim === undefined) return false;
    this.#claim.untilMs = this.options.clock.elapsedMs() + this.options.renewWithinMs;
    return true;
  }

  holds(token: string): boolean {
    return this.#claim?.token === token && this.#claim.untilMs > this.options.clock.elapsedMs();
  }

  release(token: string): void {
    if (this.#claim?.token === token) this.#claim = undefined;
  }

  /** As if another process had taken the claim away. */
  stealClaim(): () => void {
    const token = 'thief';
    this.#claim = { token, untilMs: Number.POSITIVE_INFINITY };
    return () => this.release(token);
  }
}

export const idOf = (item: Item): string => ('entry' in item ? item.entry.id : item.unreadable.id);
