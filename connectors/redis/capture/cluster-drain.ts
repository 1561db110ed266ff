import type { Clock } from '../../../core/clock.ts';
import { chunked, forEachLimited } from '../../../core/sequence.ts';
import type { Drain, NextOptions, OutboxBatch, UnreadableEntry } from '../../capture.ts';
import { askAllSlots } from '../client/all-slots.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import type { Layout } from '../layout.ts';
import { ClusterBells } from './cluster-bells.ts';
import { DISCARD_IN_SLOT, FENCE, SET_ASIDE_IN_SLOT } from './cluster-drain-scripts.ts';
import { ClusterReader, placeOfEntry } from './cluster-reader.ts';
import { ClusterSweeps } from './cluster-sweeps.ts';
import { CLAIM_MS } from './drain.ts';
import { GIVE_UP_CLAIM, RENEW_CLAIM } from './drain-scripts.ts';
import type { Expiries } from './expiries.ts';
import type { EntryContext } from './outbox-entry.ts';

const IDS_PER_CALL = 1_000;
const CALLS_AT_ONCE = 16;
const SWEEP_MS = 1_000;
/** Between two looks where not all nodes ring. */
const LOOK_AGAIN_MS = 50;
/** How often all slots are looked at, also those that nobody has heard of, where all nodes ring and where not. */
const SEARCH_MS = 10_000;
const SEARCH_IN_SILENCE_MS = 2_000;

interface ClusterDrainContext extends EntryContext {
  readonly client: ClusterClient;
  readonly clock: Clock;
  readonly expiries: Expiries;
  readonly token: string;
  /** Of the claim. */
  readonly number: string;
}

/** Drains the outboxes of a cluster, one per slot, under one claim. */
export class ClusterDrain implements Drain {
  readonly renewWithinMs = CLAIM_MS;
  readonly #context: ClusterDrainContext;
  readonly #bells: ClusterBells;
  readonly #reader: ClusterReader;
  readonly #sweeps: ClusterSweeps;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #searchedAtMs = Number.NEGATIVE_INFINITY;
  #rung = Promise.withResolvers<void>();
  #closed = false;

  constructor(context: ClusterDrainContext) {
    this.#context = context;
    this.#reader = new ClusterReader({ ...context, opening: (own) => this.fence(own) });
    this.#sweeps = new ClusterSweeps(context);
    this.#bells = new ClusterBells(
      context,
      ({ what, own }) => {
        if (what === 'expiries') return this.#sweeps.note(own);
        this.#reader.note(own);
        this.#rung.resolve();
      },
      () => {
        this.#searchedAtMs = Number.NEGATIVE_INFINITY;
        this.#rung.resolve();
      },
    );
  }

  /** From now on who had the claim before changes nothing in this outbox. */
  async fence({ cluster }: Layout): Promise<void> {
    await this.#context.client.run(FENCE, [cluster?.fencedByKey ?? ''], [this.#context.number]);
  }

  async renew(): Promise<boolean> {
    const { client, layout, token } = this.#context;
    return (await client.run(RENEW_CLAIM, [layout.relayKey], [token, String(CLAIM_MS)])) === 1;
  }

  async next({ limit, waitMs, signal }: NextOptions): Promise<OutboxBatch> {
    const { clock } = this.#context;
    const deadlineMs = clock.elapsedMs() + waitMs;
    while (!signal.aborted) {
      this.#rung = Promise.withResolvers();
      const rings = this.#bells.attend();
      await this.#search(rings);
      await this.#sweep();
      if (!rings) this.#reader.noteAll();
      const batch = await this.#reader.read(limit);
      if (batch !== undefined) return batch;
      const leftMs = deadlineMs - clock.elapsedMs();
      if (leftMs <= 0) break;
      await this.#wait(Math.min(leftMs, rings ? SWEEP_MS : LOOK_AGAIN_MS), signal);
    }
    return { entries: [], unreadable: [] };
  }

  restart(): void {
    this.#reader.restart();
  }

  async discard(ids: readonly string[]): Promise<void> {
    const { client, layout, number } = this.#context;
    const places = ids.map((id) => placeOfEntry(id, layout)).filter((place) => place !== undefined);
    const calls = [...Map.groupBy(places, ([own]) => own)].flatMap(([own, some]) =>
      [...chunked(some, IDS_PER_CALL)].map((chunk) => ({ own, chunk })),
    );
    await forEachLimited(calls, CALLS_AT_ONCE, async ({ own, chunk }) => {
      const args = [number, ...chunk.map(([, id]) => id)];
      await client.run(DISCARD_IN_SLOT, [own.cluster?.fencedByKey ?? '', own.outboxKey], args);
    });
  }

  async setAside({ id, reason }: Pick<UnreadableEntry, 'id' | 'reason'>): Promise<void> {
    const { client, layout, number } = this.#context;
    const [own, name] = placeOfEntry(id, layout) ?? [];
    if (own === undefined || name === undefined) return;
    const keys = [own.cluster?.fencedByKey ?? '', own.outboxKey, own.asideKey];
    await client.run(SET_ASIDE_IN_SLOT, keys, [number, name, reason]);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#bells.close();
    this.#rung.resolve();
    await this.#context.client.run(GIVE_UP_CLAIM, [this.#context.layout.relayKey], [this.#context.token]);
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const tooLong = new AbortController();
    const stop = AbortSignal.any([signal, tooLong.signal]);
    const late = this.#context.clock.sleep(ms, stop).catch(() => undefined);
    await Promise.race([late, this.#rung.promise]);
    tooLong.abort();
  }

  /** Looks for outboxes that nobody rang for: there before the bells were, or while one was not heard. */
  async #search(rings: boolean): Promise<void> {
    const nowMs = this.#context.clock.elapsedMs();
    if (nowMs - this.#searchedAtMs < (rings ? SEARCH_MS : SEARCH_IN_SILENCE_MS)) return;
    this.#searchedAtMs = nowMs;
    const inUse = await askAllSlots(this.#context, {
      command: 'exists',
      keys: (own) => [own.outboxKey, own.expiriesKey],
    });
    for (const [own] of inUse) {
      this.#reader.note(own);
      this.#sweeps.note(own);
    }
  }

  async #sweep(): Promise<void> {
    const nowMs = this.#context.clock.elapsedMs();
    if (nowMs - this.#sweptAtMs < SWEEP_MS) return;
    await this.#sweeps.sweep();
    this.#sweptAtMs = nowMs;
  }
}
