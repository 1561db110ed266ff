/** Text that every store can hold, in the one order that every store can sort by. */

/** UTF-16 puts surrogate pairs (U+10000 and up) below U+E000–U+FFFF; this moves them above, as code points are. */
function rank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit;
  return codeUnit >= 0xe000 ? codeUnit - 0x800 : codeUnit + 0x2000;
}

/**
 * Compares by Unicode code point, which is also the byte order of UTF-8: the order of Postgres' `COLLATE "C"`, of
 * Neo4j's range index and of Milvus' VarChar. JavaScript's `<` compares UTF-16 code units and differs above U+FFFF.
 */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return rank(a) - rank(b);
  }
  return left.length - right.length;
}

/**
 * Why a string cannot be moved unharmed through every store, or undefined when it can: Postgres has no NUL in text,
 * and a lone surrogate has no UTF-8 form.
 */
export function textFault(text: string): string | undefined {
  if (text.includes('\u0000')) return 'contains the NUL character';
  if (!text.isWellFormed()) return 'contains half of a surrogate pair';
  return undefined;
}
