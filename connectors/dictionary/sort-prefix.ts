/** What a line-based sort could stumble over: control characters, and Unicode's line breaks with their neighbour. */
const IN_THE_WAY = /[^ -\u2026\u202a-\uffff]/g;

/**
 * Parts of a key as one text without line breaks that sorts (by code point, core/text.ts) as the parts do. NUL, which
 * no part contains, ends each, so that a part that is the start of another comes first. A character that must not
 * stand in a line becomes two: the first of its stretch, which keeps its place among the others, and a letter that
 * tells those of the stretch apart, in their order.
 */
export function sortPrefix(parts: readonly string[]): string {
  return parts.map((part) => `${part.replace(IN_THE_WAY, harmless)}\u0000`).join('');
}

function harmless(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x20
    ? `\u0001${String.fromCharCode(code + 0x40)}`
    : `\u2027${String.fromCharCode(code - 0x2027 + 0x41)}`;
}

/** JSON on one line in every reader's eyes: some of them break lines at U+2028 and U+2029. */
export function jsonLine(json: string): string {
  return json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

/** A line for `externalSort`: what it sorts by, then what it carries. */
export function sortLine(parts: readonly string[], json: string): string {
  return `${sortPrefix(parts)}\u0000${jsonLine(json)}`;
}

/** What a line carries. Nothing but the end of the sort key has two NULs in a row, because no part is empty. */
export function carriedBy(line: string): string {
  return line.slice(line.indexOf('\u0000\u0000') + 2);
}
