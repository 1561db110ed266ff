import type { RejectedItem, ScanChunk } from '../../connectors/connector.ts';
import type { ControlTopic } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type RangeFact, writeRange } from './facts.ts';

export interface RangeProgressOptions {
  readonly control: ControlTopic;
  /** Where the fact about this range stands in the control topic. */
  readonly subject: string;
  /** How far it had come. */
  readonly fact: RangeFact;
  /** Chunks that may be on their way into the log at once. */
  readonly maxInFlight: number;
  readonly onConfirmed: (published: number, rejected: readonly RejectedItem[]) => void;
}

/**
 * How far the log has confirmed one range: it moves chunk by chunk, in their order, whatever order they are confirmed in,
 * and stands still for ever before a chunk that could not be published. The newest state is written down; states that
 * came while one was being written are left out.
 */
export class RangeProgress {
  readonly #options: RangeProgressOptions;
  #fact: RangeFact;
  /** One promise for each chunk under way, the oldest first: settled when it and all before it are. */
  #underWay: Promise<void>[] = [];
  #written: RangeFact;
  #writing: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(options: RangeProgressOptions) {
    this.#options = options;
    this.#fact = options.fact;
    this.#written = options.fact;
  }

  /** Takes a chunk and the promise of what of it the log refused. Waits while too many are under way; throws what has failed. */
  async add<K extends Kind>(chunk: ScanChunk<K>, published: Promise<readonly RejectedItem[]>): Promise<void> {
    // It may fail when nobody waits for it any more, as where an earlier state could not be written.
    published.catch(() => {});
    if (this.#failure !== undefined) throw this.#failure.error;
    const before = this.#underWay.at(-1) ?? Promise.resolve();
    const confirmed = Promise.all([published, before]).then(([refused]) => this.#confirm(chunk, refused));
    // Awaited here or by `finish`; until then its failure must not count as unhandled.
    confirmed.catch(() => {});
    this.#underWay.push(confirmed);
    while (this.#underWay.length >= this.#options.maxInFlight) {
      await this.#underWay[0];
      this.#underWay.shift();
    }
  }

  /** Writes down how the range ended. */
  async finish(end: Pick<RangeFact, 'status' | 'reason'>): Promise<RangeFact> {
    await this.#underWay.at(-1);
    const { reason: _mended, ...rest } = this.#fact;
    this.#fact = { ...rest, ...end };
    this.#write();
    await this.#writing;
    return this.#fact;
  }

  /** Resolves when no chunk is under way any more and what has come of them is written down, or cannot be. */
  async settle(): Promise<void> {
    await this.#underWay.at(-1)?.catch(() => {});
    await this.#writing.catch(() => {});
  }

  #confirm<K extends Kind>(chunk: ScanChunk<K>, refused: readonly RejectedItem[]): void {
    const published = chunk.rows.length - refused.length;
    const rejected = [...chunk.rejected, ...refused];
    // Told before it is written down: a rejected item may be reported twice after a crash, never not at all.
    this.#options.onConfirmed(published, rejected);
    const { reason: _mended, ...rest } = this.#fact;
    this.#fact = {
      ...rest,
      status: 'running',
      last: chunk.last,
      published: this.#fact.published + published,
      rejected: this.#fact.rejected + rejected.length,
    };
    this.#write();
  }

  /** Sees to it that this state, or a newer one, is written after the write that is under way. */
  #write(): void {
    this.#writing = this.#writing.then(async () => {
      if (this.#written === this.#fact) return;
      this.#written = this.#fact;
      await writeRange(this.#options.control, this.#options.subject, this.#fact);
    });
    this.#writing.catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }
}
