import type { FileHandle } from 'node:fs/promises';
import { translated } from '../errors.ts';
import { decodeRecord } from '../journal/entries.ts';
import { frameBytes, readFrames } from '../journal/frames.ts';
import { type JournalHeader, readJournalHeader } from '../journal/journal.ts';
import { type DictionaryPaths, openIfThere } from '../paths.ts';
import { isSameFile } from '../read/open-snapshot.ts';
import type { CapturedBytes } from './captured-entries.ts';
import type { Relayed } from './relayed.ts';

/** How far the present journal, told by its salt, is durable, where this process writes it. */
export type DurableEnd = () => { readonly salt: number; readonly end: number } | undefined;

/** What a crash left stays until an owner opens the journal; it may also be a frame that is being written. */
const LOOK_AT_TORN_MS = 100;

interface OpenFile {
  readonly file: FileHandle;
  readonly header: JournalHeader;
  offset: number;
  /** What was found of an unfinished frame: it is not looked at all the time while nobody goes on with it. */
  torn?: { readonly size: number; readonly untilMs: number };
}

/**
 * Reads the outbox out of the journal, forward, each entry once, beside an owner that appends to it and that replaces it:
 * the next journal begins with the entries that the log had not confirmed, so what was seen is told by its number.
 */
export class OutboxReader {
  readonly #paths: DictionaryPaths;
  readonly #durableEnd: DurableEnd;
  #open: OpenFile | undefined;
  #outbox: string | undefined;
  /** Of the last entry that was read. */
  #lastNumber = 0;
  #waiting: CapturedBytes[] = [];
  #taken = 0;

  constructor(paths: DictionaryPaths, durableEnd: DurableEnd = () => undefined) {
    this.#paths = paths;
    this.#durableEnd = durableEnd;
  }

  /** Names the outbox; undefined where there is no journal. */
  async outbox(): Promise<string | undefined> {
    return (await this.#opened())?.header.outbox;
  }

  /** Entries that were not read before, oldest first. */
  async read(limit: number, relayed: Relayed): Promise<readonly CapturedBytes[]> {
    const found: CapturedBytes[] = [];
    const outbox = this.#outbox;
    for (;;) {
      while (found.length < limit) {
        const entry = this.#take();
        if (entry === undefined) break;
        if (!relayed.has(entry.number)) found.push(entry);
      }
      if (found.length >= limit || !(await this.#readOn(limit - found.length))) return found;
      // What is relayed of another outbox is for the next call to say.
      if (outbox !== undefined && this.#outbox !== outbox) return found;
    }
  }

  #take(): CapturedBytes | undefined {
    const entry = this.#waiting[this.#taken];
    if (entry !== undefined) this.#taken++;
    else {
      this.#waiting = [];
      this.#taken = 0;
    }
    return entry;
  }

  /** From the oldest entry on again. */
  async restart(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    this.#waiting = [];
    this.#taken = 0;
    this.#lastNumber = 0;
    await open?.file.close();
  }

  async close(): Promise<void> {
    await this.restart();
  }

  /** Reads about so many entries; false when there is nothing new. */
  async #readOn(wanted: number): Promise<boolean> {
    const open = await this.#opened();
    if (open === undefined) return false;
    return translated(`read the journal ${this.#paths.journal}`, async () => {
      const from = open.offset;
      // Asked before the end is looked at: what was replaced has its last frame by now.
      const isCurrent = await this.#isCurrent(open);
      const end = await this.#end(open);
      if (end > open.offset) await this.#readUntil(open, end, wanted);
      if (open.offset > from) return true;
      if (end > from) open.torn = { size: end, untilMs: performance.now() + LOOK_AT_TORN_MS };
      if (isCurrent) return false;
      this.#open = undefined;
      await open.file.close();
      return true;
    });
  }

  async #isCurrent({ file, header }: OpenFile): Promise<boolean> {
    const own = this.#durableEnd();
    return own === undefined ? await isSameFile(this.#paths.journal, file) : own.salt === header.salt;
  }

  /** Not behind what is durable: what a crash of the machine can take away again is not for the log. */
  async #end({ file, header, offset, torn }: OpenFile): Promise<number> {
    const own = this.#durableEnd();
    if (own?.salt === header.salt) return own.end;
    const { size } = await file.stat();
    if (size <= offset || (torn?.size === size && performance.now() < torn.untilMs)) return offset;
    await file.datasync();
    return size;
  }

  async #readUntil(open: OpenFile, size: number, wanted: number): Promise<void> {
    const { file, header } = open;
    const path = this.#paths.journal;
    const frames = readFrames(file, { path, salt: header.salt, start: open.offset, size });
    for await (const { offset, payload } of frames) {
      open.offset = offset + frameBytes(payload);
      const record = decodeRecord(path, payload);
      if (record.type !== 'captured' && record.type !== 'carried') continue;
      for (const entry of record.entries) {
        if (entry.number <= this.#lastNumber) continue;
        this.#lastNumber = entry.number;
        this.#waiting.push(entry);
      }
      if (this.#waiting.length >= wanted) return;
    }
  }

  async #opened(): Promise<OpenFile | undefined> {
    if (this.#open !== undefined) return this.#open;
    const { journal } = this.#paths;
    const file = await translated(`open the journal ${journal}`, () => openIfThere(journal));
    if (file === undefined) return undefined;
    try {
      const header = await readJournalHeader(file, journal);
      // Somebody has moved the journal away, and another outbox was begun.
      if (header.outbox !== this.#outbox) this.#lastNumber = 0;
      this.#outbox = header.outbox;
      this.#open = { file, header, offset: header.bytes };
      return this.#open;
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}
