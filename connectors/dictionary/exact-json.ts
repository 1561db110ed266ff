/**
 * JSON whose numbers may not fit a double (Python writes integers of any length). `JSON.parse` rounds them without a
 * word; here such a number stays its own text: a reader sees that it is no number, and writing the value again gives
 * the same digits back.
 */

interface ReviverContext {
  readonly source?: string;
}
type Reviver = (this: unknown, key: string, value: unknown, context: ReviverContext) => unknown;

// In V8, not yet in TypeScript's library: https://github.com/tc39/proposal-json-parse-with-source
const json = JSON as unknown as {
  parse(text: string, reviver: Reviver): unknown;
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): value is { readonly rawJSON: string };
};

/** A number of at least 16 digits or with an exponent of at least three: the only ones that may not survive. */
const SUSPICIOUS = /[:,[\s]-?(?:\d{16}|\d[\d.]*[eE][+-]?\d{3})/;
const INTEGER = /^-?\d+$/;

export function parseJsonExactly(text: string): unknown {
  if (!SUSPICIOUS.test(text)) return JSON.parse(text) as unknown;
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && !survives(source, value)
      ? json.rawJSON(source)
      : value,
  );
}

/**
 * Decimals are rounded to the nearest double wherever they are read; integers and magnitudes are meant. An integer may
 * also be the shortest text of a double, as JavaScript writes it: 277981566690856500 stands for …512.
 */
function survives(source: string, value: number): boolean {
  if (!Number.isFinite(value)) return false;
  if (INTEGER.test(source)) return String(value) === source || BigInt(source) === BigInt(value);
  return value !== 0 || !/[1-9]/.test(source.replace(/[eE].*$/, ''));
}

/** The digits of a number that no double holds, or undefined for any other value. */
export function oversizeNumber(value: unknown): string | undefined {
  return json.isRawJSON(value) ? value.rawJSON : undefined;
}
