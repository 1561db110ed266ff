import { constants, createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, constants as zlibConstants } from 'node:zlib';
import { ChangeoverError } from '../../../core/errors.ts';
import { forEachLimited } from '../../../core/sequence.ts';
import { translated } from '../errors.ts';

/** Which file it is, and whether somebody has written to it since. */
export interface FileIdentity {
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: bigint;
  readonly modifiedNs: bigint;
}

export interface Span {
  readonly offset: number;
  readonly length: number;
}

const READS_AT_ONCE = 8;
/** Bytes that are read although nobody wants them, rather than asking again. */
const LARGEST_GAP = 16 * 1024;
const LARGEST_READ = 2 * 1024 * 1024;

interface Content {
  readonly handle: FileHandle;
  /** Bytes of JSON. */
  readonly size: number;
  readonly compressed: boolean;
}

/** The legacy JSON file, open for reading. What it was when it was opened stays readable, though it be replaced. */
export class BaseFile {
  readonly path: string;
  readonly identity: FileIdentity;
  readonly compressed: boolean;
  /** Bytes of JSON. */
  readonly size: number;
  readonly handle: FileHandle;

  private constructor(path: string, identity: FileIdentity, content: Content) {
    this.path = path;
    this.identity = identity;
    this.handle = content.handle;
    this.size = content.size;
    this.compressed = content.compressed;
  }

  static async open(path: string, temporaryFolder: string | undefined): Promise<BaseFile> {
    return translated(`read the dictionary ${path}`, async () => {
      const original = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const identity = await identityOf(original, path);
        if (!(await isGzip(original)))
          return new BaseFile(path, identity, {
            handle: original,
            size: Number(identity.size),
            compressed: false,
          });
        const handle = await unpacked(path, temporaryFolder);
        await original.close();
        const { size } = await handle.stat();
        return new BaseFile(path, identity, { handle, size, compressed: true });
      } catch (error) {
        await original.close();
        throw error;
      }
    });
  }

  /** The bytes of each span, in their order. Spans that lie close to each other are read at once. */
  async read(spans: readonly Span[]): Promise<readonly Buffer[]> {
    const found: Buffer[] = new Array(spans.length);
    await forEachLimited(coalesced(spans), READS_AT_ONCE, async ({ offset, end, indexes }) => {
      const bytes = Buffer.allocUnsafe(end - offset);
      await translated(`read the dictionary ${this.path}`, () =>
        this.handle.read(bytes, 0, end - offset, offset),
      );
      for (const index of indexes) {
        const span = spans[index] ?? { offset, length: 0 };
        found[index] = bytes.subarray(span.offset - offset, span.offset - offset + span.length);
      }
    });
    await this.assertUnchanged();
    return found;
  }

  /** Offsets mean nothing any more once somebody has written into the file instead of replacing it. */
  async assertUnchanged(): Promise<void> {
    if (this.compressed || isSame(await identityOf(this.handle, this.path), this.identity)) return;
    throw new ChangeoverError(
      'conflict',
      `The dictionary ${this.path} was overwritten while it was being read.`,
      {
        hint: 'Stop the application that writes it, or have it write another file and rename that over this one; then try again.',
        retryable: true,
      },
    );
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

interface CoalescedRead {
  readonly offset: number;
  end: number;
  readonly indexes: number[];
}

function coalesced(spans: readonly Span[]): readonly CoalescedRead[] {
  const order = spans
    .map((_, index) => index)
    .sort((a, b) => (spans[a]?.offset ?? 0) - (spans[b]?.offset ?? 0));
  const reads: CoalescedRead[] = [];
  for (const index of order) {
    const { offset, length } = spans[index] ?? { offset: 0, length: 0 };
    const last = reads.at(-1);
    const near = last !== undefined && offset - last.end <= LARGEST_GAP;
    if (near && offset + length - last.offset <= LARGEST_READ) {
      last.end = Math.max(last.end, offset + length);
      last.indexes.push(index);
    } else reads.push({ offset, end: offset + length, indexes: [index] });
  }
  return reads;
}

export function isSame(left: FileIdentity, right: FileIdentity): boolean {
  return (
    left.inode === right.inode &&
    left.device === right.device &&
    left.size === right.size &&
    left.modifiedNs === right.modifiedNs
  );
}

export async function identityOf(file: FileHandle | string, path: string): Promise<FileIdentity> {
  const found =
    typeof file === 'string' ? await stat(file, { bigint: true }) : await file.stat({ bigint: true });
  if (!found.isFile()) {
    throw new ChangeoverError('config', `Cannot read the dictionary ${path}: it is no regular file.`, {
      hint: 'Name the JSON file itself.',
    });
  }
  return { device: found.dev, inode: found.ino, size: found.size, modifiedNs: found.mtimeNs };
}

export async function isGzip(file: FileHandle): Promise<boolean> {
  const bytes = Buffer.alloc(2);
  await file.read(bytes, 0, 2, 0);
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** A file that is cut off gives what is there; that something is missing shows in the JSON. */
async function unpacked(path: string, temporaryFolder: string | undefined): Promise<FileHandle> {
  const file = await openNamelessFile(temporaryFolder);
  try {
    const sink = createWriteStream('', { fd: file.fd, autoClose: false });
    await pipeline(createReadStream(path), createGunzip({ finishFlush: zlibConstants.Z_SYNC_FLUSH }), sink);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A temporary file that has lost its name already, so that it is gone with the process however that ends. */
export async function openNamelessFile(temporaryFolder: string | undefined): Promise<FileHandle> {
  const folder = await mkdtemp(join(temporaryFolder ?? tmpdir(), 'changeover-dictionary-'));
  try {
    return await open(join(folder, 'data'), 'wx+');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
