import type { FileHandle } from 'node:fs/promises';
import type { ScanEvent } from './member.ts';
import { MemberParser } from './member-parser.ts';

const WINDOW_BYTES = 1024 * 1024;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

interface ScanMembersOptions {
  /** The file is read up to here, whatever is added behind it meanwhile. */
  readonly size: number;
  readonly maxValueBytes: number;
}

/**
 * The members of the top-level object in the file's order, some at a time. Memory is bounded by the longest value that
 * is kept. The bytes of a batch are good until the next batch is asked for.
 */
export async function* scanMembers(
  file: FileHandle,
  { size, maxValueBytes }: ScanMembersOptions,
): AsyncGenerator<readonly ScanEvent[]> {
  const parser = new MemberParser(maxValueBytes);
  let window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(size, 1)));
  let origin = 0;
  let filled = 0;
  for (;;) {
    const done = Math.min(parser.keepFrom - origin, filled);
    window.copyWithin(0, done, filled);
    origin += done;
    filled -= done;
    if (filled === window.byteLength) window = Buffer.concat([window], window.byteLength * 2);
    const wanted = Math.min(window.byteLength - filled, size - origin - filled);
    const { bytesRead } = await file.read(window, filled, wanted, origin + filled);
    if (bytesRead === 0) break;
    if (origin === 0 && filled === 0 && window.indexOf(BYTE_ORDER_MARK) === 0) window.fill(' ', 0, 3);
    filled += bytesRead;
    const events = parser.parse(window, origin, origin + filled);
    if (events.length > 0) yield events;
  }
  const events = parser.finish(window, origin, origin + filled);
  if (events.length > 0) yield events;
}
