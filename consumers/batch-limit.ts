/** Below it a batch is not parted further, however long the store takes. */
const SMALLEST = 100;
const GROWTH = 1.25;

/**
 * How many changes are offered at once: as many as are configured, unless the store takes longer for them than is good for
 * whoever waits for a stop, a rebalance or a fresh change. Halved after a batch that took too long, and grown back in small
 * steps (additive increase would take minutes from 100 to 5,000).
 */
export class BatchLimit {
  readonly #most: number;
  readonly #maxMs: number;
  #changes: number;

  constructor(most: number, maxMs: number) {
    this.#most = most;
    this.#maxMs = maxMs;
    this.#changes = most;
  }

  get changes(): number {
    return this.#changes;
  }

  /** A batch of that many changes has taken that long. */
  took(changes: number, ms: number): void {
    if (ms > this.#maxMs) {
      const least = Math.min(SMALLEST, this.#most);
      this.#changes = Math.max(least, Math.min(this.#changes, Math.ceil(changes / 2)));
    } else if (changes >= this.#changes) {
      this.#changes = Math.min(this.#most, Math.ceil(this.#changes * GROWTH));
    }
  }
}
