/**
 * Whether the next batch is worth an attempt that fails where any of its keys is there already. After a failure the
 * attempts rest for a batch, then for two, four and so on to the most; a batch that met known keys meanwhile does not
 * count, so that a replay pays for one failure however long it is. An attempt that succeeds forgets all that.
 */
export class Optimism {
  #rest = 0;
  #nextRest = 1;

  get worthTrying(): boolean {
    return this.#rest === 0;
  }

  succeeded(): void {
    this.#nextRest = 1;
  }

  failed(): void {
    // Of two attempts under way at once the second to fail has learnt nothing new.
    if (this.#rest > 0) return;
    this.#rest = this.#nextRest;
    this.#nextRest = Math.min(2 * this.#nextRest, MOST_REST);
  }

  /** A batch went the careful way, without an attempt. */
  rested(metKnownKeys: boolean): void {
    if (!metKnownKeys) this.#rest = Math.max(0, this.#rest - 1);
  }
}

/** Batches: then attempts that always fail cost about a percent. */
const MOST_REST = 64;
