import type { Capture, Drain } from '../../connectors/capture.ts';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, isRetryable, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { type Service, unlessAborted } from '../../core/service.ts';
import type { Log } from '../../log/log.ts';
import { OutboxDrainer } from './drain-outbox.ts';
import { afterEvent, NO_RELAY_PROGRESS, type RelayEvent, type RelayProgress } from './events.ts';
import { HeldClaim } from './held-claim.ts';
import { Patience } from './patience.ts';

export interface RelayOptions {
  /** The store's name in the configuration. */
  readonly store: string;
  readonly capture: Pick<Capture, 'claim' | 'status'>;
  readonly log: Pick<Log, 'publisher'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Most entries of one `publish` call. */
  readonly batchSize: number;
  /** Most entries that were read and are still in the outbox. */
  readonly maxInFlight: number;
  /** Ends when the outbox is empty, instead of waiting for more. */
  readonly untilEmpty?: boolean;
  /** How long a stop may take. What is not confirmed by then stays in the outbox. */
  readonly stopTimeoutMs?: number;
  readonly onEvent?: (event: RelayEvent) => void;
}

const CLAIM_EVERY_MS = 1_000;
const STOP_TIMEOUT_MS = 15_000;

/**
 * Drains one store's outbox into the log, until it is stopped. Nothing leaves the outbox before the log has confirmed
 * it, and an entry that is published again has the same event id and version.
 *
 * Several relays may run for one outbox: one has the claim, the others ask for it every second. What may pass (the log or
 * the store is away) is waited out, however long it takes; anything else ends the relay with its error. A publisher
 * is opened with each claim and closed before the claim is given up, so nothing of ours is under way behind a successor;
 * of a claim that was lost, what had been sent by then may be (the version guard is there for that).
 */
export class Relay implements Service {
  readonly name: string;
  readonly store: string;
  readonly #options: RelayOptions;
  readonly #logger: Logger;
  readonly #patience: Patience;
  #progress = NO_RELAY_PROGRESS;

  constructor(options: RelayOptions) {
    this.name = `relay ${options.store}`;
    this.store = options.store;
    this.#options = options;
    this.#logger = options.logger.child({ relay: options.store });
    this.#patience = new Patience(options.clock, this.#logger);
  }

  progress(): RelayProgress {
    return this.#progress;
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const claimed = await this.#claim(signal);
        if (claimed === undefined) return;
        const outcome = await this.#drain(claimed.drain, claimed.askedMs, signal);
        if (outcome === 'done') return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Waits for the claim; undefined when there is nothing to do for the one who only wants the outbox empty. */
  async #claim(
    signal: AbortSignal,
  ): Promise<{ readonly drain: Drain; readonly askedMs: number } | undefined> {
    const { capture, clock, untilEmpty } = this.#options;
    for (let waiting = false; ; waiting = true) {
      const askedMs = clock.elapsedMs();
      const drain = await this.#patience.patiently(() => this.#askForClaim(signal), signal);
      if (drain !== undefined) return { drain, askedMs };
      if (!waiting) this.#logger.info({}, 'another relay drains this outbox; waiting for it to end');
      if (untilEmpty) {
        const { entries } = await this.#patience.patiently(() => capture.status(), signal);
        if (entries === 0) return undefined;
      }
      await clock.sleep(CLAIM_EVERY_MS, signal);
    }
  }

  async #askForClaim(signal: AbortSignal): Promise<Drain | undefined> {
    const asked = this.#options.capture.claim();
    try {
      return await unlessAborted(asked, signal);
    } catch (error) {
      // A claim that comes after we have gone is given back.
      if (signal.aborted) asked.then((drain) => drain?.close()).catch(() => {});
      throw error;
    }
  }

  async #drain(drain: Drain, askedMs: number, stop: AbortSignal): Promise<'done' | 'lost'> {
    const {
      clock,
      log,
      batchSize,
      maxInFlight,
      untilEmpty = false,
      stopTimeoutMs = STOP_TIMEOUT_MS,
    } = this.#options;
    const logger = this.#logger;
    const claim = new HeldClaim(drain, askedMs, { clock, logger });
    const deadline = createDeadline(clock, stopTimeoutMs);
    stop.addEventListener('abort', deadline.start, { once: true });
    this.#tell({ type: 'claim', holding: true });
    let drainer: OutboxDrainer | undefined;
    try {
      const halt = AbortSignal.any([stop, claim.lost]);
      const publisher = await this.#patience.patiently(() => log.publisher(), halt);
      drainer = new OutboxDrainer({
        drain,
        claim,
        publisher,
        patience: this.#patience,
        clock,
        logger,
        batchSize,
        maxInFlight,
        untilEmpty,
        onEvent: (event) => this.#tell(event),
        late: deadline.late,
      });
      await drainer.run(stop);
    } catch (error) {
      if (!claim.lost.aborted) throw error;
    } finally {
      deadline.start();
      await this.#letGo(async () => drainer?.finish(), 'could not finish what was under way');
      await claim.end();
      await this.#letGo(() => unlessAborted(drain.close(), deadline.late), 'could not give up the claim');
      stop.removeEventListener('abort', deadline.start);
      deadline.cancel();
      this.#tell({ type: 'claim', holding: false });
    }
    return claim.lost.aborted && !stop.aborted ? this.#afterLoss(claim.lost.reason) : 'done';
  }

  /** A claim that was lost is waited for again, unless the reason is one that waiting cannot mend. */
  #afterLoss(reason: unknown): 'lost' {
    const conflict = reason instanceof ChangeoverError && reason.code === 'conflict';
    if (!conflict && !isRetryable(reason)) throw reason;
    this.#logger.warn({ reason: messageOf(reason) }, 'the claim of the outbox was lost; asking for it again');
    return 'lost';
  }

  /** What cannot be let go of in order is left: it is in the outbox still, and a claim ends by itself. */
  async #letGo(work: () => Promise<void>, failure: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#logger.warn({ reason: messageOf(error) }, failure);
    }
  }

  #tell(event: RelayEvent): void {
    this.#progress = afterEvent(this.#progress, event);
    this.#options.onEvent?.(event);
  }
}

/** A time that begins to run when it is told to, and can be cancelled. */
function createDeadline(clock: Clock, ms: number) {
  const late = new AbortController();
  const cancelled = new AbortController();
  let started = false;
  return {
    late: late.signal,
    start: (): void => {
      if (started) return;
      started = true;
      clock.sleep(ms, cancelled.signal).then(
        () => late.abort(new ChangeoverError('aborted', 'Stopping took too long.')),
        () => {},
      );
    },
    cancel: (): void => cancelled.abort(),
  };
}
