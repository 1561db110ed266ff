import type { Claim, RecordBatch, Subscription } from '../../log/log.ts';
import type { MemoryGroup } from '../../log/memory/group.ts';
import type { MemorySubscription } from '../../log/memory/subscription.ts';
import type { Handover } from './follower.ts';
import type { Life } from './life.ts';
import { BROKER } from './names.ts';

/** What a group has beyond what a broker knows of it. */
export interface GroupRules {
  readonly handover: Handover;
  readonly onCommit: (group: MemoryGroup, commit: () => Promise<void>) => Promise<void>;
}

export interface SimSubscriptionOptions {
  readonly life: Life;
  readonly group: MemoryGroup;
  readonly rules: GroupRules;
  readonly join: () => Promise<MemorySubscription>;
  readonly first: MemorySubscription;
}

/** Of a member that the broker does not hear. */
export const SESSION_MS = 900;
const HEARTBEAT_MS = 250;
/** Of the session: log/kafka/pulse.ts. */
const LEASE_MS = 720;
/** As long as a call to a store: log/kafka/claims.ts. */
const HAND_OVER_MS = 500;

/**
 * A member of a group as a process sees it: what it fetched is on its way for a while, and it hears of a rebalance with its next
 * heartbeat. Until then it goes on with what it has (the broker drops its commits). One that was put out of the group joins again.
 */
export class SimSubscription implements Subscription {
  readonly #options: SimSubscriptionOptions;
  #member: MemorySubscription;
  #outside = false;
  /** Nothing of it reaches the broker. */
  #isMute = false;
  /** When it has to be ready for a new sharing out, which it has heard of. */
  #handOverAtMs: number | undefined;
  /** As of the last heartbeat. */
  #known = 0;
  #heardMs = 0;
  /** Of this generation and those before nothing may be applied any more. */
  #lastVoid = 0;
  #closed = false;
  /** The generation that ends when this member is ready. */
  #handingOver = 0;
  #heartbeatsHeard = 0;
  readonly #ended = new AbortController();

  constructor(options: SimSubscriptionOptions) {
    this.#options = options;
    this.#member = this.#adopted(options.first);
    this.#known = options.group.generation;
    this.#heardMs = options.life.clock.elapsedMs();
    void this.#heartbeats();
  }

  /** The broker does not hear of it any more, and puts it out when the session is over. */
  mute(): void {
    const { life, rules } = this.#options;
    if (rules.handover !== 'settled') {
      this.evict();
      return;
    }
    if (this.#closed || this.#outside || this.#isMute) return;
    this.#isMute = true;
    life.say('is not heard any more');
    life.world.timeline.after(SESSION_MS, () => this.evict());
  }

  /** The broker has not heard of it for too long, or its process is gone. */
  evict(): void {
    if (this.#closed || this.#outside) return;
    this.#outside = true;
    this.#isMute = false;
    this.#options.life.say('is put out of its group');
    this.#member.expire();
  }

  async *batches(signal: AbortSignal): AsyncIterable<RecordBatch> {
    const { life, group } = this.#options;
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
        if (batch.generation > this.#known) this.#handOverAtMs = undefined;
        this.#known = Math.max(this.#known, batch.generation);
        if (batch.generation < group.generation && world.random.chance(0.5)) continue;
        if (world.bug === 'commit-before-apply') await this.commit(batch);
        this.#delivered = batch;
        life.say(`is delivered ${batch.records.length} records of generation ${batch.generation}`);
        yield batch;
      }
      if (stop.aborted) return;
      await life.clock.sleep(HEARTBEAT_MS + world.random.delayMs(400));
      if (stop.aborted) return;
      this.#member = this.#adopted(await this.#rejoined());
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
    if (rules.handover !== 'none' && this.#leaseLeftMs() === 0) {
      // Nothing of before is current any more, also when the group has not noticed.
      this.#lastVoid = group.generation;
      if (rules.handover === 'leased') this.evict();
    }
    if (this.#handOverAtMs !== undefined && batch.generation === this.#handingOver) return false;
    return this.#isOurs(batch);
  }

  #isOurs({ generation }: RecordBatch): boolean {
    return generation === this.#known && generation > this.#lastVoid;
  }

  claim(batch: RecordBatch): Claim | undefined {
    const { life, rules } = this.#options;
    if (!this.isCurrent(batch)) return undefined;
    const isUnaware = life.world.bug === 'old-generation-applied';
    if (rules.handover !== 'settled' || isUnaware)
      return { remainingMs: () => HAND_OVER_MS, release: () => {} };
    const claim = this.#member.claim(batch);
    return (
      claim && {
        remainingMs: () => {
          const untilMs = this.#handOverAtMs ?? Number.POSITIVE_INFINITY;
          return Math.max(0, Math.min(this.#leaseLeftMs(), HAND_OVER_MS, untilMs - life.clock.elapsedMs()));
        },
        release: () => claim.release(),
      }
    );
  }

  #leaseLeftMs(): number {
    return Math.max(0, LEASE_MS - (this.#options.life.clock.elapsedMs() - this.#heardMs));
  }

  /** A member that hears of a new sharing out with a heartbeat. */
  #adopted(member: MemorySubscription): MemorySubscription {
    const { life, rules, group } = this.#options;
    if (rules.handover !== 'settled') return member;
    member.hearsOfSharing = async () => {
      const [heard, { generation }] = [this.#heartbeatsHeard, group];
      while (this.#heartbeatsHeard === heard) await life.clock.sleep(HEARTBEAT_MS / 5);
      if (group.generation !== generation) return;
      this.#handingOver = generation;
      this.#handOverAtMs ??= life.clock.elapsedMs() + HAND_OVER_MS;
      life.say('hears that its group is being shared out anew');
    };
    return member;
  }

  async commit(batch: RecordBatch): Promise<void> {
    const { life, group, rules } = this.#options;
    // Kafka's client tries again until it has an answer, and the broker looks at the generation.
    for (;;) {
      const member = this.#member;
      if (rules.handover === 'settled' && !this.#isOurs(batch)) return;
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

  async #rejoined(): Promise<MemorySubscription> {
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
      if (this.#isMute) continue;
      if (this.#known !== group.generation) this.#handOverAtMs = undefined;
      this.#known = group.generation;
      this.#heartbeatsHeard += 1;
      if (!this.#outside) this.#heardMs = life.clock.elapsedMs();
    }
  }
}
