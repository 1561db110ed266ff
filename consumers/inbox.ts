import { Watchers } from '../core/watchers.ts';
import type { RecordBatch } from '../log/log.ts';
import type { Decoded } from './decode.ts';

/** What the store is offered next, all of one generation. */
export interface Delivery extends RecordBatch {
  readonly decoded: readonly Decoded[];
}

export interface DeliveryBounds {
  readonly maxRecords: number;
  /** Of the values; one record is taken however large it is. */
  readonly maxBytes: number;
}

/**
 * Decoded and not yet offered to the store: first in, first out. While the store is busy with one batch, what arrives
 * collects here; it is the next batch, as much of it as the bounds allow. Nothing waits for more to come.
 */
export class Inbox {
  #decoded: Decoded[] = [];
  #bytes = 0;
  #generation = 0;
  #ended = false;
  readonly #watchers = new Watchers();

  get size(): number {
    return this.#decoded.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Records of an older generation are void: whoever owns their partitions now reads them again. */
  put(decoded: readonly Decoded[], generation: number): void {
    if (generation !== this.#generation) this.#clear();
    this.#generation = generation;
    for (const each of decoded) {
      this.#decoded.push(each);
      this.#bytes += bytesOf(each);
    }
    this.#watchers.wake();
  }

  /** Resolves when there is something, or undefined when there will be nothing more. */
  async take(bounds: () => DeliveryBounds): Promise<Delivery | undefined> {
    while (this.#decoded.length === 0 && !this.#ended) await this.#watchers.changed();
    // What nobody has begun when the end came is left in the log.
    if (this.#ended) return undefined;
    const decoded = this.#decoded.splice(0, this.#countWithin(bounds()));
    for (const each of decoded) this.#bytes -= bytesOf(each);
    this.#watchers.wake();
    return { decoded, records: decoded.map(({ record }) => record), generation: this.#generation };
  }

  /** Resolves when less than that is here, or the end has come. */
  async roomFor({ maxRecords, maxBytes }: DeliveryBounds): Promise<void> {
    while (!this.#ended && (this.#decoded.length >= maxRecords || this.#bytes >= maxBytes)) {
      await this.#watchers.changed();
    }
  }

  /** Nothing more is put, and nothing more is taken. */
  end(): void {
    this.#ended = true;
    this.#clear();
    this.#watchers.wake();
  }

  #clear(): void {
    this.#decoded = [];
    this.#bytes = 0;
  }

  #countWithin({ maxRecords, maxBytes }: DeliveryBounds): number {
    const most = Math.min(maxRecords, this.#decoded.length);
    let bytes = 0;
    for (let count = 0; count < most; count++) {
      bytes += bytesOf(this.#decoded[count]);
      if (bytes > maxBytes) return Math.max(1, count);
    }
    return most;
  }
}

function bytesOf(decoded: Decoded | undefined): number {
  return decoded?.record.value?.byteLength ?? 0;
}
