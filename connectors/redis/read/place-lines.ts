import type { ScanKey } from '../../../schemas/keys.ts';
import type { RejectedItem } from '../../connector.ts';

/** Something that was met while the keys of a kind were enumerated. */
export interface Found {
  readonly place: ScanKey;
  /** Set where it cannot be an entity whatever it holds. */
  readonly fault?: RejectedItem;
  /** Where in its list an experience was, and its time: both only help to find it again. */
  readonly hint?: ListHint;
}

export interface ListHint {
  readonly index: number;
  /** Decimal, or empty. */
  readonly at: string;
}

/**
 * A find as one line of text. Lines sort by code point (core/text.ts) as their places do (schemas/scan-order.ts), so
 * that millions of them can be sorted on disk without being parsed, and a line holds no line break of any kind.
 */
export function toLine({ place, fault, hint }: Found): string {
  const start = place.map(partToText).join(PART_END);
  if (fault !== undefined) return `${start}${PLACE_END}${escapeText(JSON.stringify(fault))}`;
  return hint === undefined ? start : `${start}${PLACE_END}${hint.index}:${hint.at}`;
}

export function fromLine(line: string): Found {
  const end = line.indexOf(PLACE_END);
  const place = placeIn(line);
  if (end < 0) return { place };
  const rest = line.slice(end + PLACE_END.length);
  if (rest.startsWith('{')) return { place, fault: JSON.parse(unescapeText(rest)) as RejectedItem };
  const [index, at = ''] = rest.split(':');
  return { place, hint: { index: Number(index), at } };
}

/** The place alone. */
export function placeIn(line: string): ScanKey {
  const end = line.indexOf(PLACE_END);
  return (end < 0 ? line : line.slice(0, end)).split(PART_END).map(partFromText);
}

/** Below everything that a part holds, so that the start of a tuple comes before the tuple. */
const PART_END = '\u0000';
/** No part is empty, so two ends stand together nowhere else. */
const PLACE_END = '\u0000\u0000';

const DIGITS = 16;

function partToText(part: string | number): string {
  if (typeof part === 'string') return `s${escapeText(part)}`;
  const [sign, digits] = part < 0 ? ['n', Number.MAX_SAFE_INTEGER + part] : ['p', part];
  return sign + String(digits).padStart(DIGITS, '0');
}

function partFromText(text: string): string | number {
  if (text.startsWith('s')) return unescapeText(text.slice(1));
  const digits = Number(text.slice(1));
  return text.startsWith('n') ? digits - Number.MAX_SAFE_INTEGER : digits;
}

/**
 * Keeps the order: a range of neighbours is written as its first member and a second character that orders within it.
 * U+0000–U+000D hold the ends above and most line breaks, U+2028 and U+2029 are line breaks to `readline`.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to be kept out of a line
const CONTROLS = /[\u0000-\u000d]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what stands for them begins with one
const ESCAPED_CONTROLS = /\u0001([ --])/g;
const SEPARATORS = /[\u2027-\u2029]/g;
const ESCAPED_SEPARATORS = /\u2027([ -"])/g;

function escapeText(text: string): string {
  return text
    .replaceAll(CONTROLS, (c) => `\u0001${shifted(c, 0)}`)
    .replaceAll(SEPARATORS, (c) => `\u2027${shifted(c, 0x2027)}`);
}

function unescapeText(text: string): string {
  return text
    .replaceAll(ESCAPED_SEPARATORS, (_, c: string) => unshifted(c, 0x2027))
    .replaceAll(ESCAPED_CONTROLS, (_, c: string) => unshifted(c, 0));
}

function shifted(character: string, from: number): string {
  return String.fromCharCode(character.charCodeAt(0) - from + 0x20);
}

function unshifted(character: string, from: number): string {
  return String.fromCharCode(character.charCodeAt(0) - 0x20 + from);
}
