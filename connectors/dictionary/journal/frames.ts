import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { ChangeoverError } from '../../../core/errors.ts';

/**
 * The bytes of a journal behind its header: frames, each `marker, length, checksum, payload`, and one frame is what one
 * fsync made durable. So at most the last frame can be unfinished after a crash: nothing is acknowledged before its
 * frame is durable, and the next frame is not begun before that.
 *
 * Hence what is wrong can be told apart. A frame that is not whole, with no whole frame behind it, is what a crash
 * left: nobody was told that it was written, and it is cut. With a whole frame behind it, acknowledged changes are
 * damaged: that is an error. (A last frame that was whole once and rotted looks like the first case; no format can
 * tell those two apart without a second copy.)
 *
 * The marker contains bytes that no UTF-8 text does, and the checksum begins with a number of the journal's own, so
 * content cannot pretend to be a frame.
 */
const MARKER = Buffer.from([0xf5, 0x43, 0x4a, 0xfa]);
const FRAME_HEADER_BYTES = MARKER.byteLength + 8;
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;
const SEARCH_BYTES = 1024 * 1024;
/** Read at once: small frames come many at a time, and one that is alone with its header. */
const WINDOW_BYTES = 16 * 1024;

export interface Frame {
  readonly offset: number;
  readonly payload: Buffer;
}

export interface FramesEnd {
  /** Behind the last whole frame: the next one goes here. */
  readonly end: number;
  /** Bytes of an unfinished frame behind it. */
  readonly tornBytes: number;
}

interface FramesOptions {
  readonly path: string;
  readonly salt: number;
  readonly start: number;
  /** As it was before reading began, so that what a writer adds meanwhile is not half seen. */
  readonly size: number;
}

function checksum(salt: number, payload: Uint8Array): number {
  const seed = Buffer.alloc(8);
  seed.writeUInt32LE(salt, 0);
  seed.writeUInt32LE(payload.byteLength, 4);
  return crc32(payload, crc32(seed));
}

export function encodeFrame(salt: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.byteLength);
  MARKER.copy(frame);
  frame.writeUInt32LE(payload.byteLength, 4);
  frame.writeUInt32LE(checksum(salt, payload), 8);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** What a frame takes up. */
export function frameBytes(payload: Uint8Array): number {
  return FRAME_HEADER_BYTES + payload.byteLength;
}

/** The whole frames, and where they end. Throws `mismatch` for damage that no crash explains. */
export async function* readFrames(
  file: FileHandle,
  options: FramesOptions,
): AsyncGenerator<Frame, FramesEnd> {
  const { path, start, size } = options;
  const window = new Window(file);
  let offset = start;
  for (;;) {
    const payload = await readFrame(window, options, offset);
    if (payload === undefined) break;
    yield { offset, payload };
    offset += FRAME_HEADER_BYTES + payload.byteLength;
  }
  const later = await laterFrame(file, options, offset + 1);
  if (later !== undefined) {
    throw new ChangeoverError(
      'mismatch',
      `The journal ${path} is damaged at byte ${offset}: what stands there is no entry, but the one at byte ${later} is.`,
      {
        hint: 'Restore the journal, with the dictionary and its versions, from a copy of the same moment, and replay the log.',
      },
    );
  }
  return { end: offset, tornBytes: size - offset };
}

/** What was read of a file last. */
class Window {
  readonly #file: FileHandle;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** So many bytes, or fewer where the file ends. Nothing is read beyond `size`. */
  async read(offset: number, length: number, size: number): Promise<Buffer> {
    const at = offset - this.#start;
    if (at < 0 || at + length > this.#bytes.byteLength) {
      const bytes = Buffer.allocUnsafe(Math.max(length, Math.min(WINDOW_BYTES, size - offset)));
      const { bytesRead } = await this.#file.read(bytes, 0, bytes.byteLength, offset);
      this.#bytes = bytes.subarray(0, bytesRead);
      this.#start = offset;
    }
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + length);
  }
}

/** The payload of the frame at a place, or undefined when there is no whole one. */
async function readFrame(
  window: Window,
  { salt, size }: FramesOptions,
  offset: number,
): Promise<Buffer | undefined> {
  if (size - offset < FRAME_HEADER_BYTES) return undefined;
  const header = await window.read(offset, FRAME_HEADER_BYTES, size);
  if (header.byteLength < FRAME_HEADER_BYTES) return undefined;
  const [length, sum] = [header.readUInt32LE(4), header.readUInt32LE(8)];
  const whole = offset + FRAME_HEADER_BYTES + length <= size && length <= MAX_PAYLOAD_BYTES;
  if (!whole || !MARKER.equals(header.subarray(0, MARKER.byteLength))) return undefined;
  const payload = await window.read(offset + FRAME_HEADER_BYTES, length, size);
  return payload.byteLength === length && sum === checksum(salt, payload) ? payload : undefined;
}

/** Where the next whole frame begins, at or after a place. */
async function laterFrame(
  file: FileHandle,
  options: FramesOptions,
  from: number,
): Promise<number | undefined> {
  if (from >= options.size) return undefined;
  const bytes = Buffer.allocUnsafe(Math.min(SEARCH_BYTES, options.size - from));
  const frames = new Window(file);
  // Windows overlap, so that a marker on the seam is seen whole in one of them.
  for (let start = from; start < options.size; start += SEARCH_BYTES - MARKER.byteLength + 1) {
    const { bytesRead } = await file.read(bytes, 0, Math.min(bytes.byteLength, options.size - start), start);
    const part = bytes.subarray(0, bytesRead);
    for (let at = part.indexOf(MARKER); at >= 0; at = part.indexOf(MARKER, at + 1)) {
      if ((await readFrame(frames, options, start + at)) !== undefined) return start + at;
    }
  }
  return undefined;
}
