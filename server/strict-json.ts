/**
 * JSON that says what it means. `JSON.parse` keeps the last of two fields with one name, rounds a number that no double
 * holds, and an object that is assigned a field `__proto__` loses it: each of these would be a write that nobody asked for.
 */

/** Something that the text says and no value can. */
export interface JsonFault {
  /** Where: names of fields and indexes of elements. */
  readonly path: readonly (string | number)[];
  readonly reason: string;
}

export interface StrictJson {
  readonly value: unknown;
  readonly faults: readonly JsonFault[];
}

/** More than any change needs; a thousand levels would be somebody who wants to see what happens. */
const MAX_DEPTH = 32;
const MAX_FAULTS = 1_000;

interface Frame {
  /** Names met so far; undefined in an array. */
  readonly names: Set<string> | undefined;
  place: string | number;
}

/** Throws SyntaxError for what is no JSON, or is nested too deeply. */
export function parseStrictJson(text: string): StrictJson {
  // The scan comes first: it needs no more memory than the depth, whatever the text is.
  const faults = scan(text);
  return { value: JSON.parse(text) as unknown, faults };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_ARRAY = 0x5d;

/** What may stand in a number; and, of these, what begins one. */
const NUMERIC = new Uint8Array(128);
for (const code of Buffer.from('+.eE')) NUMERIC[code] = 1;
for (const code of Buffer.from('-0123456789')) NUMERIC[code] = 2;

/** Follows only strings, brackets, commas and numbers. Of text that is no JSON it says anything: `JSON.parse` refuses it. */
function scan(text: string): readonly JsonFault[] {
  const faults: JsonFault[] = [];
  const frames: Frame[] = [];
  let frame: Frame | undefined;
  let expectName = false;
  const fault = (reason: string): void => {
    if (faults.length === MAX_FAULTS)
      throw new SyntaxError(`it has more than ${MAX_FAULTS} faults: ${reason}`);
    faults.push({ path: frames.map(({ place }) => place), reason });
  };
  for (let index = 0; index < text.length; ) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      const end = endOfString(text, index);
      if (expectName && frame?.names !== undefined) {
        const name = unquote(text.slice(index, end));
        frame.place = name;
        expectName = false;
        if (name === '__proto__') fault('a field must not be named __proto__');
        if (frame.names.has(name)) fault('the field stands twice in one object');
        frame.names.add(name);
      }
      index = end;
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      expectName = code === OPEN_OBJECT;
      frame = { names: expectName ? new Set() : undefined, place: expectName ? '' : 0 };
      if (frames.push(frame) > MAX_DEPTH) {
        throw new SyntaxError(`it is nested deeper than ${MAX_DEPTH} levels`);
      }
      index++;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      frames.pop();
      frame = frames.at(-1);
      expectName = false;
      index++;
    } else if (code === COMMA) {
      expectName = frame?.names !== undefined;
      if (!expectName && frame !== undefined) frame.place = (frame.place as number) + 1;
      index++;
    } else if (NUMERIC[code] === 2) {
      const end = endOfNumber(text, index);
      // Up to 15 characters with no exponent always survive.
      if (end - index > 15 || hasExponent(text, index, end)) {
        const source = text.slice(index, end);
        if (!survives(source)) fault(`no 64-bit number is ${source.slice(0, 40)}`);
      }
      index = end;
    } else index++;
  }
  return faults;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end + 1;
}

/** Whether an odd number of backslashes stands before it. */
function isEscaped(text: string, index: number): boolean {
  let before = index - 1;
  while (text.charCodeAt(before) === BACKSLASH) before--;
  return (index - before) % 2 === 0;
}

function endOfNumber(text: string, start: number): number {
  let index = start + 1;
  while ((NUMERIC[text.charCodeAt(index)] ?? 0) > 0) index++;
  return index;
}

function hasExponent(text: string, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    // e and E differ in one bit.
    if ((text.charCodeAt(index) | 0x20) === 0x65) return true;
  }
  return false;
}

const INTEGER = /^-?\d+$/;

/**
 * Decimals are rounded to the nearest double wherever they are read; whole numbers and magnitudes are meant. A whole number
 * may also be the shortest text of a double, as JavaScript writes it: 277981566690856500 stands for …512.
 */
function survives(source: string): boolean {
  const value = Number(source);
  if (!Number.isFinite(value)) return false;
  if (value === 0) return !/[1-9]/.test(source.replace(/[eE].*$/, ''));
  if (!INTEGER.test(source)) return true;
  return String(value) === source || BigInt(source) === BigInt(value);
}

function unquote(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted;
  }
}
