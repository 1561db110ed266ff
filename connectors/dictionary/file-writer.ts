import { type FileHandle, open } from 'node:fs/promises';

const BUFFER_BYTES = 1024 * 1024;

/** Writes a new file piece by piece. `write` copies, and only sometimes is there anything to wait for. */
export class FileWriter {
  readonly #file: FileHandle;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #filled = 0;

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
    if (bytes.byteLength > this.#buffer.byteLength) await this.#file.writeFile(bytes);
    else await this.write(bytes);
  }

  async #flush(): Promise<void> {
    await this.#file.writeFile(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  /** Resolves when everything is durable. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
