import { isNegativeZero, tryParseJson } from '../../../core/json.ts';
import type { Scalar } from '../../../schemas/change.ts';

/**
 * Scalars as text, because a Redis hash holds nothing else. Text that is written just as JavaScript writes a number,
 * `true` or `false` is that; all other text is a string. A string that would be taken for something else is written in
 * JSON's quotes, and only such text is read as quoted. So both ways are exact: `fromText(toText(v))` is `v` for every
 * scalar, and `toText(fromText(t))` is `t` for every text that an application wrote.
 */
export function toText(value: Scalar): string {
  if (typeof value === 'string') return isPlain(value) ? value : JSON.stringify(value);
  return isNegativeZero(value) ? '-0' : String(value);
}

export function fromText(text: string): Scalar {
  if (text === 'true') return true;
  if (text === 'false') return false;
  return numberIn(text) ?? quotedIn(text) ?? text;
}

/** Whether a string stays itself when it is read back. */
function isPlain(text: string): boolean {
  return fromText(text) === text;
}

const NUMBER_START = /^-?\d/;

function numberIn(text: string): number | undefined {
  if (!NUMBER_START.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) && toText(value) === text ? value : undefined;
}

function quotedIn(text: string): string | undefined {
  if (!text.startsWith('"') || !text.endsWith('"')) return undefined;
  const inner = tryParseJson(text);
  // Quotes that were not needed are the application's own.
  if (typeof inner !== 'string' || isPlain(inner) || JSON.stringify(inner) !== text) return undefined;
  return inner;
}

const RESERVED = /^(?:_attr_)*(?:id|type|active)$/;
const ESCAPE = '_attr_';

/** The field of an attribute. One that is called like a field of the agent itself has `_attr_` before its name. */
export function toField(attribute: string): string {
  return RESERVED.test(attribute) ? ESCAPE + attribute : attribute;
}

export function fromField(field: string): string {
  return field.startsWith(ESCAPE) && RESERVED.test(field) ? field.slice(ESCAPE.length) : field;
}
