import { isUtf8 } from 'node:buffer';

/** A line of text, or why it is none. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly fault: string };

const MAX_LINE_BYTES = 16 * 1024 * 1024;
const LINE_FEED = 0x0a;

/** Splits bytes into lines, numbered from 1, and leaves out the empty ones. Holds one line at a time, up to 16 MiB. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let number = 1;
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      const part = chunk.subarray(start, end === -1 ? undefined : end);
      bytes += part.length;
      if (bytes <= MAX_LINE_BYTES) parts.push(part);
      if (end === -1) break;
      const line = toLine(number++, parts, bytes);
      if (line !== undefined) yield line;
      parts = [];
      bytes = 0;
      start = end + 1;
    }
  }
  const line = toLine(number, parts, bytes);
  if (line !== undefined) yield line;
}

function toLine(number: number, parts: readonly Buffer[], bytes: number): Line | undefined {
  if (bytes > MAX_LINE_BYTES) return { number, fault: `is longer than ${MAX_LINE_BYTES} bytes` };
  const whole = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  // A decoder would put U+FFFD for what it cannot read and change the data without a word.
  if (!isUtf8(whole)) return { number, fault: 'is not UTF-8' };
  const text = withoutMark(whole.toString('utf8')).trim();
  return text === '' ? undefined : { number, text };
}

/** Some editors put a byte order mark at the start of a file. */
function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}
