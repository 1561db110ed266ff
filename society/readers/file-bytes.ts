import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createGunzip, type Gunzip } from 'node:zlib';
import { ChangeoverError, messageOf, systemCodeOf } from '../../core/errors.ts';

const CHUNK_BYTES = 64 * 1024;

/**
 * The bytes of a file, decompressed when it begins as gzip does, whatever its name. Compressed data that is damaged or
 * cut off is reported through `onDamage` after everything before the damage has been given. Throws `usage` when there
 * is no such file, `forbidden` when it may not be read.
 */
export async function* fileBytes(path: string, onDamage: (reason: string) => void): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  let gunzip: Gunzip | undefined;
  let first = true;
  try {
    for await (const chunk of file as AsyncIterable<Buffer>) {
      if (first && isGzip(chunk)) gunzip = createGunzip();
      first = false;
      if (gunzip === undefined) yield chunk;
      else yield* inflate(gunzip, (done) => gunzip?.write(chunk, done));
    }
    if (gunzip !== undefined) yield* inflate(gunzip, (done) => gunzip?.once('end', done).end());
  } catch (error) {
    if (!(error instanceof DamagedError)) throw fileError(path, error);
    yield* error.before;
    onDamage(error.message);
  } finally {
    gunzip?.destroy();
    file.destroy();
  }
}

class DamagedError extends Error {
  readonly before: readonly Buffer[];

  constructor(before: readonly Buffer[], message: string) {
    super(message);
    this.before = before;
  }
}

/**
 * Feeds a chunk and gives what came out of it. Written by hand, because the stream's own iterator drops what was
 * already decompressed when the next bytes turn out to be damaged.
 */
async function* inflate(gunzip: Gunzip, feed: (done: () => void) => void): AsyncGenerator<Buffer> {
  const inflated: Buffer[] = [];
  const collect = (chunk: Buffer): number => inflated.push(chunk);
  const settled = new AbortController();
  gunzip.on('data', collect);
  try {
    const failed = once(gunzip, 'error', { signal: settled.signal }).then(([error]) => {
      throw new DamagedError(inflated, `the compressed data is damaged or cut off (${messageOf(error)})`);
    });
    await Promise.race([new Promise<void>((resolve) => feed(resolve)), failed]);
  } finally {
    gunzip.off('data', collect);
    settled.abort();
  }
  yield* inflated;
}

function isGzip(chunk: Buffer): boolean {
  return chunk[0] === 0x1f && chunk[1] === 0x8b;
}

function fileError(path: string, error: unknown): unknown {
  const code = systemCodeOf(error);
  if (code === 'ENOENT') return new ChangeoverError('usage', `There is no file ${path}.`, { cause: error });
  if (code === 'EISDIR') return new ChangeoverError('usage', `${path} is a folder.`, { cause: error });
  if (code === 'EACCES')
    return new ChangeoverError('forbidden', `${path} may not be read.`, { cause: error });
  return error;
}
