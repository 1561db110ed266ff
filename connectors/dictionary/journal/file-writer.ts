import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { openIfThere } from '../paths.ts';

/** What tells one content of a file from another. */
export interface FilePrint {
  readonly bytes: number;
  /** CRC-32. */
  readonly checksum: number;
}

export function isSamePrint(left: FilePrint, right: FilePrint): boolean {
  return left.bytes === right.bytes && left.checksum === right.checksum;
}

const BUFFER_BYTES = 1024 * 1024;

/** Writes a new file piece by piece. `write` copies, and only sometimes is there anything to wait for. */
export class FileWriter {
  readonly #file: FileHandle;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #filled = 0;
  #print: FilePrint = { bytes: 0, checksum: 0 };

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Makes the file, or empties it. */
  static async create(path: string, mode: number): Promise<FileWriter> {
    return new FileWriter(await open(path, 'w', mode));
  }

  get handle(): FileHandle {
    return this.#file;
  }

  write(piece: Uint8Array | string): Promise<void> | undefined {
    const length = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
    if (this.#filled + length > this.#buffer.byteLength) return this.#writeBehind(piece);
    if (typeof piece === 'string') this.#buffer.write(piece, this.#filled);
    else this.#buffer.set(piece, this.#filled);
    this.#filled += length;
    return undefined;
  }

  async #writeBehind(piece: Uint8Array | string): Promise<void> {
    const bytes = Buffer.from(piece as string);
    await this.#flush();
    if (bytes.byteLength > this.#buffer.byteLength) await this.#append(bytes);
    else await this.write(bytes);
  }

  async #flush(): Promise<void> {
    await this.#append(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const { bytes: before, checksum } = this.#print;
    this.#print = { bytes: before + bytes.byteLength, checksum: crc32(bytes, checksum) };
    await this.#file.writeFile(bytes);
  }

  /** Resolves when everything is durable (but for the name, which is the folder's). */
  async finish(): Promise<FilePrint> {
    await this.#flush();
    await this.#file.sync();
    return this.#print;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Whether a file is there and has that content. Reads all of it if its size is right. */
export async function hasContent(path: string, { bytes, checksum }: FilePrint): Promise<boolean> {
  const file = await openIfThere(path);
  if (file === undefined) return false;
  try {
    if ((await file.stat()).size !== bytes) return false;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    let found = 0;
    for (let at = 0; at < bytes; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, at);
      if (bytesRead === 0) return false;
      found = crc32(buffer.subarray(0, bytesRead), found);
      at += bytesRead;
    }
    return found === checksum;
  } finally {
    await file.close();
  }
}
