import type { FileHandle } from 'node:fs/promises';
import type { CapturedBytes } from './captured-entries.ts';
import { translated } from './errors.ts';
import { type JournalHeader, readJournalHeader } from './journal.ts';
import { decodeRecord } from './journal-entries.ts';
import { frameBytes, readFrames } from './journal-frames.ts';
import { isSameFile } from './open-snapshot.ts';
import { type DictionaryPaths, openIfThere } from './paths.ts';
import type { Relayed } from './relayed.ts';

/** How far the journal of a generation is durable, where this process writes it. */
export type DurableEnd = () => { readonly generation: number; readonly end: number } | undefined;

interface OpenFile {
  readonly file: FileHandle;
  readonly header: JournalHeader;
  offset: number;
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
    for (;;) {
      while (found.length < limit) {
        const entry = this.#take();
        if (entry === undefined) break;
        if (!relayed.has(entry.number)) found.push(entry);
      }
      if (found.length >= limit || !(await this.#readOn(limit - found.length))) return found;
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
      const isCurrent = await isSameFile(this.#paths.journal, open.file);
      const end = await this.#end(open);
      if (end > open.offset) await this.#readUntil(open, end, wanted);
      if (open.offset > from) return true;
      if (isCurrent) return false;
      this.#open = undefined;
      await open.file.close();
      return true;
    });
  }

  /** Not behind what is durable: what a crash of the machine can take away again is not for the log. */
  async #end({ file, header, offset }: OpenFile): Promise<number> {
    const own = this.#durableEnd();
    if (own?.generation === header.generation) return own.end;
    const { size } = await file.stat();
    if (size > offset) await file.datasync();
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
