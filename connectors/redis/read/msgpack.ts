/**
 * What Lua's cmsgpack makes of a list of texts: an array of raw strings, and nothing else.
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function unpackTexts(bytes: Buffer): readonly Buffer[] {
  let place = 0;
  const length = (size: 1 | 2 | 4): number => {
    const value = bytes.readUIntBE(place, size);
    place += size;
    return value;
  };
  const countIn = (type: number): number => {
    if (type >= 0x90 && type <= 0x9f) return type & 0x0f;
    if (type === 0xdc) return length(2);
    if (type === 0xdd) return length(4);
    // An empty table of Lua is neither a list nor a map.
    if (type === 0x80) return 0;
    throw new Error('not a packed list');
  };
  const sizeIn = (type: number): number => {
    if (type >= 0xa0 && type <= 0xbf) return type & 0x1f;
    if (type === 0xd9) return length(1);
    if (type === 0xda) return length(2);
    if (type === 0xdb) return length(4);
    throw new Error('not a packed text');
  };
  const texts: Buffer[] = [];
  for (let left = countIn(length(1)); left > 0; left--) {
    const size = sizeIn(length(1));
    if (place + size > bytes.length) throw new Error('a packed text is cut off');
    texts.push(bytes.subarray(place, place + size));
    place += size;
  }
  return texts;
}
