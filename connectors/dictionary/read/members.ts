import { crc32 } from 'node:zlib';
import { notTheirBase } from '../errors.ts';
import { isSamePrint } from '../journal/file-writer.ts';
import type { BaseFile } from './base-file.ts';
import { MemberParser, type ScanEvent } from './member-parser.ts';
import type { VersionsFile } from './versions-file.ts';

const WINDOW_BYTES = 1024 * 1024;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export interface BaseAndVersions {
  readonly base: BaseFile;
  readonly versions: VersionsFile | undefined;
}

/**
 * The members of the top-level object in the file's order, some at a time. Memory is bounded by the longest value that
 * is kept. The bytes of a batch are good until the next batch is asked for.
 *
 * Whoever uses a base walks it once, so here is where it shows for free (0.3 s a GiB) whether it is what the versions
 * were written for: throws `conflict` at the end when it is not.
 */
export async function* membersOf(
  { base, versions }: BaseAndVersions,
  maxValueBytes: number,
): AsyncGenerator<readonly ScanEvent[]> {
  // The file is read up to here, whatever is added behind it meanwhile.
  const { handle, size } = base;
  const parser = new MemberParser(maxValueBytes);
  let window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(size, 1)));
  let origin = 0;
  let filled = 0;
  let checksum = 0;
  for (;;) {
    const done = Math.min(parser.keepFrom - origin, filled);
    window.copyWithin(0, done, filled);
    origin += done;
    filled -= done;
    if (filled === window.byteLength) window = Buffer.concat([window], window.byteLength * 2);
    const wanted = Math.min(window.byteLength - filled, size - origin - filled);
    const { bytesRead } = await handle.read(window, filled, wanted, origin + filled);
    if (bytesRead === 0) break;
    checksum = crc32(window.subarray(filled, filled + bytesRead), checksum);
    if (origin === 0 && filled === 0 && window.indexOf(BYTE_ORDER_MARK) === 0) window.fill(' ', 0, 3);
    filled += bytesRead;
    const events = parser.parse(window, origin, origin + filled);
    if (events.length > 0) yield events;
  }
  const events = parser.finish(window, origin, origin + filled);
  if (events.length > 0) yield events;
  await base.assertUnchanged();
  if (versions !== undefined && !isSamePrint(versions.base, { bytes: size, checksum }))
    throw notTheirBase(base.path);
}
