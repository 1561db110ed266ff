/**
 * Walks batches item by item. Only at the end of a batch is there anything to wait for, so a merge that asks
 * `waits` first does not pay for a promise with each item.
 */
export class Cursor<T> {
  readonly #batches: AsyncIterator<readonly T[]>;
  #batch: readonly T[] = [];
  #at = 0;
  #ended = false;

  constructor(batches: AsyncIterator<readonly T[]>) {
    this.#batches = batches;
  }

  static of<T>(items: Iterable<T>): Cursor<T> {
    const all = [...items];
    return new Cursor(
      (async function* () {
        yield all;
      })(),
    );
  }

  /** True when `head` is known only after `load`. */
  get waits(): boolean {
    return this.#at >= this.#batch.length && !this.#ended;
  }

  /** Undefined at the end. */
  get head(): T | undefined {
    return this.#batch[this.#at];
  }

  async load(): Promise<void> {
    while (this.waits) {
      const next = await this.#batches.next();
      this.#at = 0;
      this.#batch = next.done === true ? [] : next.value;
      this.#ended = next.done === true;
    }
  }

  advance(): void {
    this.#at++;
  }

  /** Lets go of what the batches hold. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#batch = [];
    await this.#batches.return?.();
  }
}
