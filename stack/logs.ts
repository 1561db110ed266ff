/** Log files of the servers: reading their end, following them, keeping them from growing for ever. */
import { closeSync, existsSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const ROTATE_ABOVE_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const FOLLOW_POLL_MS = 200;

export interface LogOptions {
  /** How many of the last lines; 100 unless told. */
  readonly lines?: number;
  /** Goes on with new lines until `signal` aborts. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** The size of the file, 0 when there is none. */
export function logSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Before a start: keeps one older log beside a big one. */
export function rotateLog(path: string): void {
  if (logSize(path) > ROTATE_ABOVE_BYTES) renameSync(path, `${path}.1`);
}

/** The text after `offset`, the last 64 KiB of it. */
export function logSince(path: string, offset: number): string {
  const size = logSize(path);
  return size <= offset ? '' : readRange(path, Math.max(offset, size - CHUNK_BYTES), size).toString('utf8');
}

/** Lines without their line ends. Ends by itself unless it follows. */
export async function* readLog(path: string, options: LogOptions = {}): AsyncGenerator<string> {
  const end = logSize(path);
  let position = startOfLastLines(path, end, options.lines ?? 100);
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const size = logSize(path);
    // Rotated or emptied: go on with the new file.
    if (size < position) position = 0;
    while (position < size) {
      const chunk = readRange(path, position, Math.min(size, position + CHUNK_BYTES));
      if (chunk.length === 0) break;
      position += chunk.length;
      const text = Buffer.concat([rest, chunk]);
      const complete = text.lastIndexOf(0x0a) + 1;
      rest = text.subarray(complete);
      if (complete > 0) yield* text.toString('utf8', 0, complete - 1).split('\n');
    }
    if (options.follow !== true || options.signal?.aborted === true) break;
    await sleep(
      FOLLOW_POLL_MS,
      undefined,
      options.signal === undefined ? {} : { signal: options.signal },
    ).catch(() => undefined);
  }
  if (rest.length > 0) yield rest.toString('utf8');
}

function startOfLastLines(path: string, end: number, lines: number): number {
  let found = 0;
  for (let to = end; to > 0; to -= CHUNK_BYTES) {
    const from = Math.max(0, to - CHUNK_BYTES);
    const chunk = readRange(path, from, to);
    for (let index = chunk.length - 1; index >= 0; index -= 1) {
      // The line end at the very end of the file ends the last line; it starts none.
      if (chunk[index] !== 0x0a || from + index === end - 1) continue;
      found += 1;
      if (found === lines) return from + index + 1;
    }
  }
  return lines > 0 ? 0 : end;
}

function readRange(path: string, from: number, to: number): Buffer {
  if (!existsSync(path)) return Buffer.alloc(0);
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(to - from);
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, from));
  } finally {
    closeSync(file);
  }
}
