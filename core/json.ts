/**
 * JSON that keeps what JavaScript's own drops: negative zero. Doubles otherwise survive, because both sides use the
 * shortest text that reads back to the same bits (ECMA-262 Number::toString).
 */

interface RawJson {
  rawJSON(text: string): unknown;
}

// In V8 since Chrome 114, not yet in TypeScript's library: https://github.com/tc39/proposal-json-parse-with-source
const { rawJSON } = JSON as unknown as RawJson;
const NEGATIVE_ZERO = rawJSON('-0');

/** True for −0, which `===` cannot tell from 0. */
export function isNegativeZero(value: unknown): boolean {
  return Object.is(value, -0);
}

/** Like `JSON.stringify`, but −0 stays −0. Read it back with `JSON.parse`, which already keeps it. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (isNegativeZero(inner) ? NEGATIVE_ZERO : inner));
}

/** Parses JSON text, or answers undefined when it is not JSON. */
export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
