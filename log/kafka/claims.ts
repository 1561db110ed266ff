import type { Clock } from '../../core/clock.ts';
import { Watchers } from '../../core/watchers.ts';
import type { Claim } from '../log.ts';
import { within } from './deadline.ts';
import type { Pulse } from './pulse.ts';

/**
 * How long handing the partitions over waits for work that has begun. Longer than any call to a store that may not be
 * overtaken, and shorter than the others of a group wait for a member (kafkajs' rebalanceTimeout, 60 s).
 */
const HAND_OVER_MS = 20_000;

/** The work that has begun in partitions of ours and must end before they are somebody else's. */
export class Claims {
  readonly #clock: Clock;
  readonly #open = new Set<Claim>();
  readonly #watchers = new Watchers();
  #handOverAtMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `pulse` is that of the member whose partitions these are. */
  open(pulse: Pulse | undefined): Claim {
    const claim: Claim = {
      remainingMs: () => {
        const untilHandOver = this.#handOverAtMs - this.#clock.elapsedMs();
        return Math.max(0, Math.min(untilHandOver, pulse?.leaseLeftMs() ?? 0));
      },
      release: () => {
        if (this.#open.delete(claim)) this.#watchers.wake();
      },
    };
    this.#open.add(claim);
    return claim;
  }

  /** The partitions are this member's again, or others'. */
  begin(): void {
    this.#handOverAtMs = Number.POSITIVE_INFINITY;
  }

  /** Resolves when no work is under way any more, however long that takes. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await this.#watchers.changed();
  }

  /** From now on no claim lasts longer than this takes. False when one stands at the end nevertheless. */
  async handOver(maxMs = HAND_OVER_MS): Promise<boolean> {
    const atMs = this.#clock.elapsedMs() + Math.min(maxMs, HAND_OVER_MS);
    this.#handOverAtMs = Math.min(this.#handOverAtMs, atMs);
    this.#watchers.wake();
    while (this.#open.size > 0) {
      const ms = this.#handOverAtMs - this.#clock.elapsedMs();
      if (ms <= 0) return false;
      const over = new AbortController();
      await within({ clock: this.#clock, ms }, this.#watchers.changed(over.signal), () => {});
      over.abort();
    }
    return true;
  }
}
