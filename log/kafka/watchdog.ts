import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { SubscriptionEvent } from '../log.ts';
import type { Lookout } from './lookout.ts';
import type { Member } from './member.ts';
import type { Seek } from './reading.ts';

export interface WatchdogOptions {
  /** Compares what was read with what the brokers have; without it only the pulse is felt. */
  readonly lookout: Lookout | undefined;
  readonly heartbeatMs: number;
  readonly lookEveryMs: number;
  readonly closing: AbortSignal;
  readonly clock: Clock;
  /** The member of now. */
  member(): Member | undefined;
  /** The generation that is being read; undefined while none is. */
  generation(): number | undefined;
  /** Ends the generation: nothing of it is current any more. */
  endGeneration(): void;
  seek(seeks: readonly Seek[]): void;
  warn(message: string, reason: string): void;
  onEvent?: ((event: SubscriptionEvent) => void) | undefined;
}

/**
 * Looks after the member of a subscription, which may fall silent, stop fetching, or read past what is missing, and tells
 * nobody. What it finds ends the member; its subscription then makes another, or tells the reader.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  /** Whether the lease of the member has run out since it joined. */
  #leaseIsOver = false;
  /** Whether the reader has kept us waiting since the brokers were last asked. */
  #keptWaiting = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  joined(): void {
    this.#leaseIsOver = false;
  }

  /** What was fetched waits for the reader: that nothing is read is no fault of the consumer. */
  keptWaiting(): void {
    this.#keptWaiting = true;
  }

  /** Whether the partitions are still this member's, for all that it can know. */
  leaseHolds(): boolean {
    const silentMs = this.#options.member()?.pulse.silentMs();
    if (silentMs === undefined) return true;
    this.#loseLease(silentMs);
    return false;
  }

  /** Resolves soon after the subscription is closed. */
  async run(): Promise<void> {
    const { clock, closing, heartbeatMs, lookEveryMs, generation } = this.#options;
    let looking: Promise<void> | undefined;
    let lookedAtMs = clock.elapsedMs();
    for (;;) {
      await clock.sleep(heartbeatMs, closing).catch(() => {});
      if (closing.aborted) break;
      this.#feelPulse();
      const isDue = clock.elapsedMs() - lookedAtMs >= lookEveryMs;
      if (looking !== undefined || !isDue || generation() === undefined) continue;
      lookedAtMs = clock.elapsedMs();
      // Not waited for: the pulse is felt meanwhile.
      looking = this.#look().then(() => {
        looking = undefined;
      });
    }
    await looking;
  }

  #feelPulse(): void {
    const pulse = this.#options.member()?.pulse;
    // One that is joining may do so without a lease, but not for ever.
    if (!this.leaseHolds() && pulse?.isJoining === false) return;
    const stalledMs = pulse?.stalledMs();
    if (stalledMs !== undefined) this.#rebuild(`nothing was fetched for ${seconds(stalledMs)}`);
  }

  #loseLease(silentMs: number): void {
    if (this.#leaseIsOver) return;
    this.#leaseIsOver = true;
    const { endGeneration, member, onEvent, warn } = this.#options;
    endGeneration();
    onEvent?.({ type: 'lease-expired', silentMs });
    const reason = `the group was not heard for ${seconds(silentMs)}`;
    warn('others may have the partitions by now; nothing of before is applied any more', reason);
    // Where it is joining already, a new one would only come later.
    if (member()?.pulse.isJoining === false) member()?.end(lost(reason));
  }

  #rebuild(reason: string): void {
    const { member, onEvent, warn } = this.#options;
    onEvent?.({ type: 'watchdog', reason });
    warn('the consumer has stopped fetching, building another', reason);
    member()?.end(lost(reason));
  }

  async #look(): Promise<void> {
    const { lookout, generation, member, seek } = this.#options;
    if (lookout === undefined) return;
    const [before, wasKeptWaiting] = [generation(), this.#keptWaiting];
    this.#keptWaiting = false;
    const finding = await lookout.look();
    if (before !== generation()) return;
    switch (finding.is) {
      case 'over':
        member()?.end(finding.reason);
        break;
      case 'stalled':
        if (!wasKeptWaiting && !this.#keptWaiting)
          this.#rebuild(`there is more in ${finding.places.join('; ')}`);
        break;
      case 'well':
        seek(finding.again);
        break;
      case 'unknown':
        break;
      default:
        finding satisfies never;
    }
  }
}

function lost(reason: string): ChangeoverError {
  return new ChangeoverError('unreachable', `The consumer was given up: ${reason}.`);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
