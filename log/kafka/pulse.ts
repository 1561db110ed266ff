import type { Clock } from '../../core/clock.ts';

/** Of the session timeout: the rest is for what was begun right before the end. */
const LEASE_SHARE = 0.8;
/** kafkajs' rebalanceTimeout: so long may the others of the group take to agree to a new sharing out. */
const REBALANCE_MS = 60_000;
const REBALANCE_MARGIN_MS = 30_000;

export interface PulseOptions {
  readonly clock: Clock;
  readonly sessionTimeoutMs: number;
}

interface Moment {
  readonly elapsedMs: number;
  readonly wallMs: number;
}

/**
 * The signs of life of one member of a group.
 *
 * Its *lease*: the group gives the partitions of a member away when it has not heard from it for the session timeout, and
 * tells nobody who is not there to listen. So a member that has not been confirmed for most of that time must take it
 * that they are gone. Confirmed is what the group has answered, and counts from when it was asked: a process that was
 * stopped in between wakes up to an answer that was true long ago.
 *
 * Its *fetching*: kafkajs sometimes stops and does not come back. While it is fetching, an answer comes every moment,
 * also when there is nothing new; while it hands over what it has fetched, it is we who keep it.
 */
export class Pulse {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #sessionTimeoutMs: number;
  #joining = true;
  #confirmed: Moment | undefined;
  #fetched: Moment;
  /** Batches that are in our hands. */
  #handling = 0;

  constructor({ clock, sessionTimeoutMs }: PulseOptions) {
    this.#clock = clock;
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#leaseMs = sessionTimeoutMs * LEASE_SHARE;
    this.#fetched = this.#now();
  }

  /** The group has shared out its partitions, by an answer to what was asked so long ago. */
  joined(askedAgoMs: number): void {
    this.#joining = false;
    this.confirmed(askedAgoMs);
    this.fetched();
  }

  /** The group is being shared out anew: nothing is fetched until it is. */
  joining(): void {
    this.#joining = true;
    this.fetched();
  }

  get isJoining(): boolean {
    return this.#joining;
  }

  /** The group has answered a request that was sent so long ago. */
  confirmed(askedAgoMs: number): void {
    const { elapsedMs, wallMs } = this.#now();
    const agoMs = Math.max(0, askedAgoMs);
    this.#confirmed = { elapsedMs: elapsedMs - agoMs, wallMs: wallMs - agoMs };
  }

  fetched(): void {
    this.#fetched = this.#now();
  }

  /** To be called when a batch is handed over to us; what it answers, when it is given back. */
  handling(): () => void {
    this.#handling += 1;
    return () => {
      this.#handling -= 1;
      this.fetched();
    };
  }

  /** How long the group has not been heard, when that is longer than the lease; undefined while it holds. */
  silentMs(): number | undefined {
    if (this.#confirmed === undefined) return undefined;
    const ms = this.#since(this.#confirmed);
    return ms > this.#leaseMs ? ms : undefined;
  }

  /** How long the lease surely lasts from now on, when the group is not heard any more. */
  leaseLeftMs(): number {
    if (this.#confirmed === undefined) return this.#leaseMs;
    return Math.max(0, this.#leaseMs - this.#since(this.#confirmed));
  }

  /** How long nothing has been fetched for no reason of ours, when that is too long. */
  stalledMs(): number | undefined {
    if (this.#handling > 0) return undefined;
    const ms = this.#since(this.#fetched);
    const limitMs = this.#joining ? REBALANCE_MS + REBALANCE_MARGIN_MS : this.#sessionTimeoutMs;
    return ms > limitMs ? ms : undefined;
  }

  /** By the clock that has moved further: the monotone one stands still while a machine sleeps, the other is set back. */
  #since(moment: Moment): number {
    const now = this.#now();
    return Math.max(now.elapsedMs - moment.elapsedMs, now.wallMs - moment.wallMs);
  }

  #now(): Moment {
    return { elapsedMs: this.#clock.elapsedMs(), wallMs: this.#clock.nowUs() / 1_000 };
  }
}
