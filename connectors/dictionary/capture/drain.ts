import { ChangeoverError, messageOf } from '../../../core/errors.ts';
import { serial } from '../../../core/serial.ts';
import type { Drain, NextOptions, OutboxBatch, OutboxEntry, UnreadableEntry } from '../../capture.ts';
import type { Lock } from '../journal/lock.ts';
import type { DictionaryPaths } from '../paths.ts';
import { type CapturedBytes, decodeCaptured } from './captured-entries.ts';
import { entryId, numberOf } from './entry-ids.ts';
import { type DurableEnd, OutboxReader } from './outbox-reader.ts';
import { plainChange } from './plain-change.ts';
import { type Relayed, readRelayed, writeRelayed } from './relayed.ts';
import { addSetAside } from './set-aside.ts';

/** The claim is a lock file, which holds as long as its process lives. What there is to renew is to look at it. */
const RENEW_WITHIN_MS = 60_000;
/** How often it is looked whether the journal has grown: by a process that does not write it, and by one that is told. */
const LOOK_EVERY_MS = { beside: 5, within: 250 };

interface DrainOptions {
  readonly paths: DictionaryPaths;
  readonly lock: Lock;
  readonly durableEnd: DurableEnd;
  /** Resolves when this process has captured something, after a while, or when the signal is aborted. */
  readonly captured: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Drains the outbox that a dictionary's journal is: reads it, and writes down beside it what the log has confirmed. */
export class DictionaryDrain implements Drain {
  readonly renewWithinMs = RENEW_WITHIN_MS;
  readonly #options: DrainOptions;
  readonly #reader: OutboxReader;
  readonly #inOrder = serial();
  /** Beside the reading, which must not wait for the disk. */
  readonly #discarding = serial();
  /** Of what was answered and is not discarded, to be set aside if it must be. */
  readonly #answered = new Map<number, CapturedBytes>();
  #relayed: { readonly outbox: string; readonly position: Relayed } | undefined;
  #closed = false;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#reader = new OutboxReader(options.paths, options.durableEnd);
  }

  async renew(): Promise<boolean> {
    return !this.#closed && (await this.#options.lock.isHeld());
  }

  async next({ limit, waitMs, signal }: NextOptions): Promise<OutboxBatch> {
    const { captured, durableEnd } = this.#options;
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const batch = await this.#inOrder(() => this.#read(limit));
      const leftMs = untilMs - performance.now();
      const isOver = leftMs <= 0 || signal.aborted || this.#closed;
      if (isOver || batch.entries.length + batch.unreadable.length > 0) return batch;
      const lookEveryMs = LOOK_EVERY_MS[durableEnd() === undefined ? 'beside' : 'within'];
      await captured(Math.min(leftMs, lookEveryMs), signal);
    }
  }

  restart(): void {
    this.#answered.clear();
    this.#inOrder(() => this.#reader.restart()).catch(() => {});
  }

  discard(ids: readonly string[]): Promise<void> {
    return this.#discarding(async () => {
      await this.#assertHeld();
      await this.#discard(ids);
    });
  }

  setAside({ id, reason }: Pick<UnreadableEntry, 'id' | 'reason'>): Promise<void> {
    return this.#discarding(async () => {
      await this.#assertHeld();
      const { paths } = this.#options;
      const outbox = await this.#inOrder(() => this.#reader.outbox());
      const entry = this.#answered.get(outbox === undefined ? 0 : (numberOf(outbox, id) ?? 0));
      if (entry === undefined) return;
      const { kind, key, value } = entry;
      await addSetAside(paths.setAside, paths.folder, {
        id,
        reason,
        kind,
        key,
        value: value.toString('base64'),
      });
      await this.#discard([id]);
    });
  }

  close(): Promise<void> {
    return this.#discarding(() =>
      this.#inOrder(async () => {
        if (this.#closed) return;
        this.#closed = true;
        await this.#reader.close();
        await this.#options.lock.release();
      }),
    );
  }

  async #read(limit: number): Promise<OutboxBatch> {
    const position = this.#closed ? undefined : await this.#position();
    if (position === undefined) return { entries: [], unreadable: [] };
    const entries: OutboxEntry[] = [];
    const unreadable: UnreadableEntry[] = [];
    for (const found of await this.#reader.read(limit, position.position)) {
      const id = entryId(position.outbox, found.number);
      this.#answered.set(found.number, found);
      try {
        entries.push({ id, change: plainChange(decodeCaptured(found)) });
      } catch (error) {
        const where = `${this.#options.paths.journal}, entry ${found.number}, ${found.kind} ${found.key}`;
        unreadable.push({ id, where, reason: messageOf(error) });
      }
    }
    return { entries, unreadable };
  }

  async #discard(ids: readonly string[]): Promise<void> {
    const present = await this.#inOrder(() => this.#position());
    if (present === undefined) return;
    const numbers = ids.flatMap((id) => numberOf(present.outbox, id) ?? []);
    const position = present.position.with(numbers);
    await writeRelayed(this.#options.paths.relayed, present.outbox, position);
    this.#relayed = { outbox: present.outbox, position };
    for (const number of numbers) this.#answered.delete(number);
  }

  /** As the file says when draining begins; from then on only this drain writes it. */
  async #position() {
    const outbox = await this.#reader.outbox();
    if (outbox === undefined) return undefined;
    if (this.#relayed?.outbox !== outbox) {
      const position = await readRelayed(this.#options.paths.relayed, outbox);
      this.#relayed = { outbox, position };
    }
    return this.#relayed;
  }

  async #assertHeld(): Promise<void> {
    if (await this.renew()) return;
    throw new ChangeoverError('conflict', `The claim on the outbox of ${this.#options.paths.base} is lost.`, {
      hint: 'Another relay drains it now; this one has nothing to do.',
    });
  }
}
