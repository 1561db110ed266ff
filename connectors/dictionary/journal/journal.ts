import { randomInt, randomUUID } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { ChangeoverError } from '../../../core/errors.ts';
import { isRecord, tryParseJson } from '../../../core/json.ts';
import type { Role } from '../../connector.ts';
import { dictionaryError } from '../errors.ts';
import { replaceFileBy } from '../paths.ts';
import { encodeFrame, MAX_PAYLOAD_BYTES } from './frames.ts';

/** Who the dictionary belongs to. */
export interface Mark {
  readonly role: Role;
  /** As the configuration names the store. */
  readonly name: string;
}

export interface JournalHeader extends Mark {
  readonly salt: number;
  /** One more with each compaction. */
  readonly generation: number;
  /** Names the outbox that this journal and those that follow it make up. */
  readonly outbox: string;
  /** Where the frames begin. */
  readonly bytes: number;
}

/** `magic, length, checksum, JSON`. The file is made elsewhere and renamed, so its header is always whole. */
const MAGIC = Buffer.from('CHGOVJ1\n');
const FIXED_BYTES = MAGIC.byteLength + 8;

/** Appends a frame to a journal that is being made. */
export type AppendPayload = (payload: Uint8Array) => Promise<void>;

/** Makes a journal in the place of whatever was there: an empty one, or with what `fill` appends. */
export async function createJournal(
  path: string,
  mark: Mark & { readonly outbox?: string },
  generation: number,
  fill: (append: AppendPayload) => Promise<void> = async () => {},
): Promise<void> {
  const { role, name, outbox = randomUUID() } = mark;
  const salt = randomInt(2 ** 32);
  const json = Buffer.from(JSON.stringify({ role, name, generation, salt, outbox }));
  const fixed = Buffer.alloc(FIXED_BYTES);
  MAGIC.copy(fixed);
  fixed.writeUInt32LE(json.byteLength, MAGIC.byteLength);
  fixed.writeUInt32LE(crc32(json), MAGIC.byteLength + 4);
  await replaceFileBy(path, async (file) => {
    await file.writeFile(Buffer.concat([fixed, json]));
    await fill((payload) => file.writeFile(encodeFrame(salt, payload)));
  });
}

export async function readJournalHeader(file: FileHandle, path: string): Promise<JournalHeader> {
  const fixed = Buffer.alloc(FIXED_BYTES);
  await file.read(fixed, 0, FIXED_BYTES, 0);
  const length = fixed.readUInt32LE(MAGIC.byteLength);
  if (MAGIC.equals(fixed.subarray(0, MAGIC.byteLength)) && length < 64 * 1024) {
    const json = Buffer.alloc(length);
    await file.read(json, 0, length, FIXED_BYTES);
    const header = tryParseJson(json.toString('utf8'));
    if (crc32(json) === fixed.readUInt32LE(MAGIC.byteLength + 4) && isRecord(header))
      return {
        // Before there was capture, a journal named none.
        outbox: 'first',
        ...(header as unknown as Omit<JournalHeader, 'bytes' | 'outbox'>),
        bytes: FIXED_BYTES + length,
      };
  }
  throw new ChangeoverError('mismatch', `${path} does not begin as a journal of Changeover does.`, {
    hint: 'Restore it from a copy, with the dictionary and its versions; or move it away, and what it held is lost.',
  });
}

interface Waiting {
  readonly entry: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface JournalOptions {
  readonly path: string;
  readonly file: FileHandle;
  readonly salt: number;
  /** Where the next frame goes. */
  readonly end: number;
  /** Makes the payload of one frame of entries. */
  readonly payloadOf: (entries: readonly Uint8Array[]) => Uint8Array;
}

/**
 * Appends to a journal: many callers, one write and one fsync for all that wait (group commit). Its writer is the only
 * one; lock.ts sees to that.
 */
export class Journal {
  readonly #options: JournalOptions;
  #end: number;
  #waiting: Waiting[] = [];
  #pump: Promise<void> | undefined;
  #broken: ChangeoverError | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#end = options.end;
  }

  /** Bytes of the file. */
  get end(): number {
    return this.#end;
  }

  /** Set when it is not known any more what the disk holds; it has to be opened anew. */
  get broken(): ChangeoverError | undefined {
    return this.#broken;
  }

  /** Resolves when the entry is durable. */
  append(entry: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ entry, resolve, reject });
    this.#pump ??= this.#run();
    return promise;
  }

  /** Writes a frame of its own. Nothing else may be waiting. */
  async appendFrame(payload: Uint8Array): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    await this.#write(encodeFrame(this.#options.salt, payload));
  }

  /** Waits for what was appended. The file belongs to its opener. */
  async drain(): Promise<void> {
    await this.#pump;
  }

  async #run(): Promise<void> {
    // What is appended in the same turn belongs to the same frame.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.appendFrame(this.#options.payloadOf(group.map(({ entry }) => entry)));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#pump = undefined;
  }

  #takeGroup(): readonly Waiting[] {
    let bytes = 0;
    const LARGEST = MAX_PAYLOAD_BYTES / 4;
    const count = this.#waiting.findIndex(({ entry }) => {
      bytes += entry.byteLength;
      return bytes > LARGEST;
    });
    return this.#waiting.splice(0, count < 0 ? this.#waiting.length : Math.max(1, count));
  }

  async #write(frame: Buffer): Promise<void> {
    const { file, path } = this.#options;
    try {
      for (let written = 0; written < frame.byteLength; ) {
        const { bytesWritten } = await file.write(
          frame,
          written,
          frame.byteLength - written,
          this.#end + written,
        );
        written += bytesWritten;
      }
    } catch (error) {
      const failure = dictionaryError(error, `write the journal ${path}`);
      await file.truncate(this.#end).catch((cause: unknown) => this.#break(cause));
      throw failure;
    }
    try {
      await file.datasync();
    } catch (error) {
      // The kernel may have dropped the pages, and forgets the error with this answer: whether the frame is durable
      // nobody can tell any more. So it goes, and what the file says is read anew.
      await file.truncate(this.#end).catch(() => {});
      throw this.#break(error);
    }
    this.#end += frame.byteLength;
  }

  #break(cause: unknown): ChangeoverError {
    this.#broken = new ChangeoverError(
      'unreachable',
      `Cannot write the journal ${this.#options.path}: ${String(cause)}`,
      {
        cause,
        hint: 'Look at the health of the disk that holds the dictionary.',
      },
    );
    return this.#broken;
  }
}
