import type { RecordBatch, Subscription } from '../../log/log.ts';
import type { MemoryGroup } from '../../log/memory/group.ts';
import type { Handover } from './follower.ts';
import type { Life } from './life.ts';
import { BROKER } from './names.ts';

/** What a group has beyond what a broker knows of it. */
export interface GroupRules {
  readonly handover: Handover;
  /** Whether others than this one may still be writing. */
  readonly othersWrite: (life: Life) => boolean;
  readonly onCommit: (group: MemoryGroup, commit: () => Promise<void>) => Promise<void>;
}

export interface SimSubscriptionOptions {
  readonly life: Life;
  readonly group: MemoryGroup;
  readonly rules: GroupRules;
  readonly join: () => Promise<Subscription>;
  readonly first: Subscription;
}

const HEARTBEAT_MS = 250;
/** Of the session of 900 ms: log/kafka/pulse.ts. */
const LEASE_MS = 720;
const LEASE_LOOK_MS = 40;

/**
 * A member of a group as a process sees it: what it fetched is on its way for a while, and it hears of a rebalance with its next
 * heartbeat. Until then it goes on with what it has (the broker drops its commits). One that was put out of the group joins again.
 */
export class SimSubscription implements Subscription {
  readonly #options: SimSubscriptionOptions;
  #member: Subscription;
  #outside = false;
  /** As of the last heartbeat. */
  #known = 0;
  #heardMs = 0;
  /** Of this generation and those before nothing may be applied any more. */
  #lastVoid = 0;
  #closed = false;
  readonly #ended = new AbortController();

  constructor(options: SimSubscriptionOptions) {
    this.#options = options;
    this.#member = options.first;
    this.#known = options.group.generation;
    this.#heardMs = options.life.clock.elapsedMs();
    void this.#heartbeats();
  }

  /** The broker has not heard of it for too long, or its process is gone. */
  async evict(): Promise<void> {
    if (this.#closed || this.#outside) return;
    this.#outside = true;
    this.#options.life.say('is put out of its group');
    await this.#member.close();
  }

  async *batches(signal: AbortSignal): AsyncIterable<RecordBatch> {
    const { life, rules, group } = this.#options;
    const { world } = life;
    const stop = AbortSignal.any([signal, this.#ended.signal]);
    const stopped = new Promise<undefined>((resolve) => {
      if (stop.aborted) resolve(undefined);
      stop.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    while (!stop.aborted) {
      const records = this.#member.batches(stop)[Symbol.asyncIterator]();
      for (;;) {
        const fetched = life.hear(records.next(), 0.1 + world.random.delayMs(world.plan.networkMs));
        const next = await Promise.race([fetched, stopped]);
        if (next === undefined || next.done === true) break;
        const batch = next.value;
        // A member learns of its generation before it fetches in it.
        this.#known = Math.max(this.#known, batch.generation);
        while (rules.handover === 'drained' && rules.othersWrite(life)) await life.clock.sleep(LEASE_LOOK_MS);
        if (batch.generation < group.generation && world.random.chance(0.5)) continue;
        if (world.bug === 'commit-before-apply') await this.commit(batch);
        this.#delivered = batch;
        life.say(`is delivered ${batch.records.length} records of generation ${batch.generation}`);
        yield batch;
      }
      if (stop.aborted) return;
      await life.clock.sleep(HEARTBEAT_MS + world.random.delayMs(400));
      if (stop.aborted) return;
      this.#member = await this.#rejoined();
      this.#outside = false;
      this.#heardMs = life.clock.elapsedMs();
    }
  }

  /** Planted: what was delivered last. */
  #delivered: RecordBatch | undefined;

  isCurrent(batch: RecordBatch): boolean {
    const { life, rules, group } = this.#options;
    if (life.world.bug === 'old-generation-applied') return true;
    if (this.#closed) return false;
    if (rules.handover === 'drained') return batch.generation === group.generation && !this.#outside;
    if (rules.handover === 'leased' && life.clock.elapsedMs() - this.#heardMs > LEASE_MS) {
      // Nothing of before is current any more, also when the group has not noticed.
      this.#lastVoid = group.generation;
      void this.evict();
    }
    return batch.generation === this.#known && batch.generation > this.#lastVoid;
  }

  async commit(batch: RecordBatch): Promise<void> {
    const { life, group, rules } = this.#options;
    // Kafka's client tries again until it has an answer, and the broker looks at the generation.
    for (;;) {
      const member = this.#member;
      try {
        return await life.call(
          BROKER,
          `commits ${batch.records.length} records of generation ${batch.generation}`,
          () => rules.onCommit(group, () => member.commit(batch)),
        );
      } catch {
        await life.clock.sleep(100);
      }
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const { life, group, rules } = this.#options;
    const delivered = this.#delivered;
    if (life.world.bug === 'commit-delivered-on-close' && delivered !== undefined) {
      await rules.onCommit(group, () => this.#member.commit(delivered));
    }
    this.#closed = true;
    this.#ended.abort();
    await life.call(BROKER, 'leaves its group', () => this.#member.close()).catch(() => this.#member.close());
  }

  async #rejoined(): Promise<Subscription> {
    const { life, join } = this.#options;
    for (;;) {
      try {
        return await life.call(BROKER, 'joins its group again', join, { sure: true });
      } catch {
        await life.clock.sleep(HEARTBEAT_MS);
      }
    }
  }

  async #heartbeats(): Promise<void> {
    const { life, group } = this.#options;
    while (!this.#closed) {
      await life.clock.sleep(HEARTBEAT_MS);
      this.#known = group.generation;
      if (!this.#outside) this.#heardMs = life.clock.elapsedMs();
    }
  }
}
