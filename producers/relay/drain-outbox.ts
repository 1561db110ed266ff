import type { Drain, OutboxEntry } from '../../connectors/capture.ts';
import { byHalves } from '../../core/by-halves.ts';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, isRejection } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { unlessAborted } from '../../core/service.ts';
import type { Publisher } from '../../log/log.ts';
import { Discarder } from './discarder.ts';
import type { RelayEvent } from './events.ts';
import { Flights } from './flights.ts';
import type { HeldClaim } from './held-claim.ts';
import type { Patience } from './patience.ts';

export interface DrainOutboxOptions {
  readonly drain: Drain;
  readonly claim: HeldClaim;
  readonly publisher: Publisher;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Most entries of one `publish` call. */
  readonly batchSize: number;
  /** Most entries that were read and are still in the outbox. */
  readonly maxInFlight: number;
  readonly untilEmpty: boolean;
  readonly onEvent: (event: RelayEvent) => void;
  /** Aborted when a stop has taken too long. */
  readonly late: AbortSignal;
}

const WAIT_MS = 1_000;
const WAIT_UNTIL_EMPTY_MS = 50;

/**
 * From the outbox into the log, under one claim. Each answer of the outbox is one `publish` call, made in the order of
 * the outbox and without waiting for the one before, so a key's changes arrive in order while many are on their way.
 * Whatever has come meanwhile is the next call: nothing waits on purpose.
 *
 * Confirmed entries leave the outbox in its order too: never before an older one. So what is published again after a
 * kill or a failure always ends with a key's newest change.
 *
 * When a call fails, nothing new is read, and when everything that is under way has settled, it begins again with the
 * oldest entry that is still there. An entry that the log refuses is found by halves, with nothing else under way, and
 * set aside.
 */
export class OutboxDrainer {
  readonly #options: DrainOutboxOptions;
  readonly #flights: Flights;
  readonly #discarder: Discarder;
  readonly #limit: number;
  /** Aborted by the first failure, with it; a new one for each attempt. */
  #attempt = new AbortController();
  #room = Promise.withResolvers<void>();

  constructor(options: DrainOutboxOptions) {
    const { drain, claim, publisher, patience, clock, late, batchSize, maxInFlight, onEvent } = options;
    this.#options = options;
    this.#limit = Math.min(batchSize, maxInFlight);
    this.#discarder = new Discarder({
      drain,
      patience,
      clock,
      signal: AbortSignal.any([late, claim.lost]),
      onDiscarded: (entries) => {
        onEvent({ type: 'discarded', entries });
        this.#makeRoom();
      },
      onFailure: (error) => this.#attempt.abort(error),
    });
    this.#flights = new Flights({
      publisher,
      onConfirmed: (entries, again) => onEvent({ type: 'published', entries, again }),
      onOldestConfirmed: (ids) => this.#discarder.add(ids),
      onFailure: (error) => this.#attempt.abort(error),
    });
  }

  /** Resolves when it was stopped, has lost the claim, or (where that is asked for) has found the outbox empty. */
  async run(stop: AbortSignal): Promise<void> {
    const halt = AbortSignal.any([stop, this.#options.claim.lost]);
    while (!halt.aborted) {
      const attempt = new AbortController();
      this.#attempt = attempt;
      try {
        await this.#pump(AbortSignal.any([halt, attempt.signal]));
        attempt.signal.throwIfAborted();
        return;
      } catch (error) {
        const failure: unknown = attempt.signal.aborted ? attempt.signal.reason : error;
        await this.#recover(failure, halt).catch((reason: unknown) => this.#giveUp(reason, halt));
      }
    }
  }

  /** Lets what is under way come to its end, and discards what of it is confirmed. */
  async finish(): Promise<void> {
    const { publisher, late } = this.#options;
    await publisher.close();
    await unlessAborted(this.#flights.settled(), late);
    await this.#discarder.idle();
  }

  async #pump(signal: AbortSignal): Promise<void> {
    const { drain, claim, publisher, patience, untilEmpty, late } = this.#options;
    const waitMs = untilEmpty ? WAIT_UNTIL_EMPTY_MS : WAIT_MS;
    while (!signal.aborted) {
      await this.#untilRoom(signal);
      await unlessAborted(publisher.ready(), signal);
      // Not cut short by the signal: a look that still goes on would take entries with it.
      const batch = await unlessAborted(drain.next({ limit: this.#limit, waitMs, signal }), late);
      for (const { id, where, reason } of batch.unreadable) await this.#setAside(id, where, reason, signal);
      // What was read and is not published is answered again, here or elsewhere.
      if (signal.aborted || !claim.holds()) return;
      if (batch.entries.length > 0) this.#flights.start(batch.entries);
      else if (this.#pending() === 0) {
        patience.worked();
        if (untilEmpty && batch.unreadable.length === 0) return;
      }
    }
  }

  /** Throws what waiting cannot mend. */
  async #recover(failure: unknown, halt: AbortSignal): Promise<void> {
    const { drain, patience } = this.#options;
    if (!isRejection(failure)) await patience.after(failure, halt);
    await unlessAborted(this.#flights.settled(), halt);
    await unlessAborted(this.#discarder.idle(), halt);
    const oldest = this.#flights.clear();
    // Only the oldest: what came after it is offered again, and is found then.
    if (isRejection(oldest?.error)) {
      await this.#isolate(oldest.entries, halt).catch((error: unknown) => patience.after(error, halt));
    }
    await unlessAborted(this.#discarder.idle(), halt);
    drain.restart();
  }

  /** Publishes a call that was refused in parts, one after the other, and sets aside what stands refused alone. */
  async #isolate(entries: readonly OutboxEntry[], halt: AbortSignal): Promise<void> {
    const { publisher, claim } = this.#options;
    const refused: { readonly entry: OutboxEntry; readonly reason: string }[] = [];
    const publish = async (part: readonly OutboxEntry[]): Promise<void> => {
      if (!claim.holds()) throw claim.lost.reason;
      await unlessAborted(publisher.publish(part.map(({ change }) => change)), halt);
      this.#flights.confirmedAlone(part);
    };
    await byHalves(entries, publish, (entry, { message }) => refused.push({ entry, reason: message }));
    for (const { entry, reason } of refused) {
      const { kind, key, version } = entry.change;
      await this.#setAside(entry.id, `${kind} ${key}, version ${version}`, reason, halt);
    }
  }

  async #setAside(id: string, where: string, reason: string, signal: AbortSignal): Promise<void> {
    const { drain, patience, logger, onEvent } = this.#options;
    await patience.patiently(() => drain.setAside({ id, reason }), signal);
    logger.error({ id, where, reason }, 'an entry that the log cannot take was set aside');
    onEvent({ type: 'set-aside', where, reason });
  }

  /** What ends the work, unless it was to end anyway or the claim is gone, which is the relay's to see. */
  #giveUp(error: unknown, halt: AbortSignal): void {
    if (halt.aborted) return;
    if (error instanceof ChangeoverError && error.code === 'conflict') this.#options.claim.lose(error);
    else throw error;
  }

  #pending(): number {
    return this.#flights.entries + this.#discarder.size;
  }

  async #untilRoom(signal: AbortSignal): Promise<void> {
    while (this.#pending() + this.#limit > this.#options.maxInFlight) {
      await unlessAborted(this.#room.promise, signal);
    }
  }

  #makeRoom(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }
}
