import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import type { RejectedItem } from '../../connectors/connector.ts';

/** The report of items that could not be moved: one JSON object a line. It is made with the first of them. */
export class RejectedFile {
  readonly path: string;
  #stream: WriteStream | undefined;
  #count = 0;
  readonly #first: RejectedItem[] = [];

  constructor(path: string) {
    this.path = path;
  }

  add(store: string, item: RejectedItem): void {
    if (this.#stream === undefined) {
      mkdirSync(dirname(this.path), { recursive: true });
      this.#stream = createWriteStream(this.path, { flags: 'a' });
    }
    this.#stream.write(`${JSON.stringify({ store, ...item })}\n`);
    this.#count += 1;
    if (this.#first.length < 3) this.#first.push(item);
  }

  get count(): number {
    return this.#count;
  }

  /** A few of them, to show. */
  get examples(): readonly RejectedItem[] {
    return this.#first;
  }

  async close(): Promise<void> {
    if (this.#stream === undefined) return;
    this.#stream.end();
    await finished(this.#stream);
  }
}
