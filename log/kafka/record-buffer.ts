import { Watchers } from '../../core/watchers.ts';

export interface RecordBufferOptions<R> {
  readonly maxBytes: number;
  /** Bytes of memory that a record takes, about. */
  readonly bytesOf: (record: R) => number;
}

/**
 * What was fetched and not yet delivered: first in, first out, bounded by bytes. One side asks for room and puts, the
 * other takes. Neither waits inside: both are told when it is worth looking again, so that each can also look at what
 * else may have happened meanwhile.
 */
export class RecordBuffer<R> {
  readonly #options: RecordBufferOptions<R>;
  #records: R[] = [];
  /** Records before this place are gone; cutting them off one by one would be quadratic. */
  #head = 0;
  #bytes = 0;
  readonly #watchers = new Watchers();

  constructor(options: RecordBufferOptions<R>) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#records.length;
  }

  /** An empty buffer has room for anything, or what is larger than the bound could never pass. */
  hasRoomFor(records: readonly R[]): boolean {
    return this.isEmpty || this.#bytes + this.#sizeOf(records) <= this.#options.maxBytes;
  }

  /** Answers how many bytes it took. */
  put(records: readonly R[]): number {
    for (const record of records) this.#records.push(record);
    const bytes = this.#sizeOf(records);
    this.#bytes += bytes;
    this.wake();
    return bytes;
  }

  take(maxRecords: number): readonly R[] {
    const taken = this.#records.slice(this.#head, this.#head + maxRecords);
    this.#head += taken.length;
    this.#bytes -= this.#sizeOf(taken);
    if (this.#head > this.#records.length / 2) {
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
    this.wake();
    return taken;
  }

  clear(): void {
    this.#records = [];
    this.#head = 0;
    this.#bytes = 0;
    this.wake();
  }

  /** Resolves when something was put, taken or cleared, or when somebody called `wake`. */
  changed(signal?: AbortSignal): Promise<void> {
    return this.#watchers.changed(signal);
  }

  wake(): void {
    this.#watchers.wake();
  }

  #sizeOf(records: readonly R[]): number {
    let bytes = 0;
    for (const record of records) bytes += this.#options.bytesOf(record);
    return bytes;
  }
}
