import type { Drain } from '../../connectors/capture.ts';
import type { Clock } from '../../core/clock.ts';
import type { Patience } from './patience.ts';

/** So that one call of a store stays small. */
const MAX_IDS = 2_000;
/**
 * Between two calls. A discard costs the store about as much as the write that it follows, and nobody waits for it: at some
 * hundred writes a second one call for ten of them takes the load off the store, and off the application.
 */
const PAUSE_MS = 50;

export interface DiscarderOptions {
  readonly drain: Drain;
  readonly patience: Patience;
  readonly clock: Clock;
  /** Ends the waiting for a store that is away. */
  readonly signal: AbortSignal;
  readonly onDiscarded: (entries: number) => void;
  /** Told once of what trying again cannot mend; nothing is discarded after it. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Takes confirmed entries out of the outbox, in the order given, a call every so often. A store that is away is asked again with the same ids, which is harmless.
 */
export class Discarder {
  readonly #options: DiscarderOptions;
  #ids: string[] = [];
  #underWay = 0;
  #work: Promise<void> = Promise.resolve();
  #running = false;
  #failure: { readonly error: unknown } | undefined;
  /** Ends the pause between two calls. */
  #hurry = new AbortController();

  constructor(options: DiscarderOptions) {
    this.#options = options;
  }

  /** Confirmed entries that are still in the outbox. */
  get size(): number {
    return this.#ids.length + this.#underWay;
  }

  add(ids: readonly string[]): void {
    this.#ids.push(...ids);
    if (!this.#running && this.#failure === undefined) this.#work = this.#run();
  }

  /** Resolves when everything that was given has been discarded; rejects with what trying again cannot mend. */
  async idle(): Promise<void> {
    this.#hurry.abort();
    await this.#work;
    this.#hurry = new AbortController();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #pause(): Promise<void> {
    const { clock, signal } = this.#options;
    await clock.sleep(PAUSE_MS, AbortSignal.any([signal, this.#hurry.signal])).catch(() => {});
  }

  async #run(): Promise<void> {
    const { drain, patience, signal, onDiscarded, onFailure } = this.#options;
    this.#running = true;
    try {
      while (this.#ids.length > 0) {
        const ids = this.#ids.splice(0, MAX_IDS);
        this.#underWay = ids.length;
        await patience.patiently(() => drain.discard(ids), signal);
        this.#underWay = 0;
        onDiscarded(ids.length);
        if (this.#ids.length < MAX_IDS) await this.#pause();
      }
    } catch (error) {
      this.#failure = { error };
      onFailure(error);
    } finally {
      this.#running = false;
    }
  }
}
