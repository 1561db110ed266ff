/**
 * Steps over JSON in bytes that come piece by piece, without building anything: only strings, brackets and line breaks
 * are followed. UTF-8 needs no care, because none of its longer sequences contains an ASCII byte.
 *
 * Each function walks `bytes` from `index` to at most `stop` and answers where it stopped, which may be one behind
 * `stop`: the byte after a backslash says nothing, wherever it lies. What has to be remembered from one piece to the
 * next stands in the `Walk`.
 */
export interface Walk {
  /** Counted from 1. */
  line: number;
  /** Open brackets. */
  depth: number;
  inString: boolean;
}

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
const NEWLINE = 0x0a;

const ORDINARY = 0;
const IS_QUOTE = 1;
const IS_BACKSLASH = 2;
const IS_OPEN = 3;
const IS_CLOSE = 4;
const IS_NEWLINE = 5;
const CLASSES = new Uint8Array(256);
CLASSES[QUOTE] = IS_QUOTE;
CLASSES[0x5c] = IS_BACKSLASH;
for (const byte of Buffer.from('{[')) CLASSES[byte] = IS_OPEN;
for (const byte of Buffer.from('}]')) CLASSES[byte] = IS_CLOSE;
CLASSES[NEWLINE] = IS_NEWLINE;

const BLANK = new Uint8Array(256);
for (const byte of Buffer.from(' \t\r\n')) BLANK[byte] = 1;

export function isOpening(byte: number): boolean {
  return CLASSES[byte] === IS_OPEN;
}

export function walkBlanks(bytes: Buffer, start: number, stop: number, walk: Walk): number {
  let index = start;
  while (index < stop && BLANK[bytes[index] as number] === 1) {
    if (bytes[index] === NEWLINE) walk.line++;
    index++;
  }
  return index;
}

/** To behind the bracket that brings the depth to 0. The hot loop: one table look-up for each byte. */
export function walkNested(bytes: Buffer, start: number, stop: number, walk: Walk): number {
  let index = start;
  let { depth, inString, line } = walk;
  while (index < stop && depth > 0) {
    const kind = CLASSES[bytes[index++] as number];
    if (kind === ORDINARY) continue;
    if (kind === IS_QUOTE) inString = !inString;
    else if (kind === IS_NEWLINE) line++;
    else if (inString) {
      if (kind === IS_BACKSLASH) index++;
    } else if (kind === IS_OPEN) depth++;
    else if (kind === IS_CLOSE) depth--;
  }
  walk.depth = depth;
  walk.inString = inString;
  walk.line = line;
  return index;
}

/** To behind the closing quote, where `inString` becomes false. */
export function walkString(bytes: Buffer, start: number, stop: number, walk: Walk): number {
  let index = start;
  while (index < stop && walk.inString) {
    const kind = CLASSES[bytes[index++] as number];
    if (kind === IS_QUOTE) walk.inString = false;
    else if (kind === IS_BACKSLASH) index++;
    else if (kind === IS_NEWLINE) walk.line++;
  }
  return index;
}

/** To the first byte that cannot belong to a number, `true`, `false` or `null`. */
export function walkScalar(bytes: Buffer, start: number, stop: number): number {
  let index = start;
  while (index < stop) {
    const byte = bytes[index] as number;
    if (byte === COMMA || byte === CLOSE_OBJECT || BLANK[byte] === 1) break;
    index++;
  }
  return index;
}

/** To the next comma or closing brace outside every string and bracket that opened on the way. */
export function walkJunk(bytes: Buffer, start: number, stop: number, walk: Walk): number {
  let index = start;
  for (; index < stop; index++) {
    const byte = bytes[index] as number;
    const kind = CLASSES[byte];
    if (kind === IS_NEWLINE) walk.line++;
    if (kind === IS_QUOTE) walk.inString = !walk.inString;
    else if (walk.inString) {
      if (kind === IS_BACKSLASH) index++;
    } else if (walk.depth === 0 && (byte === COMMA || byte === CLOSE_OBJECT)) return index;
    else if (kind === IS_OPEN) walk.depth++;
    else if (kind === IS_CLOSE && walk.depth > 0) walk.depth--;
  }
  return index;
}
