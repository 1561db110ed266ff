/** The slots of a Redis Cluster: which one a key is in, and for each slot a text that is in it. */
export const SLOTS = 16_384;

/** CRC16 (XMODEM), as Redis Cluster defines it. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc;
});

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ byte] ?? 0);
  return crc;
}

const [OPEN, CLOSE] = [0x7b, 0x7d];

/** Where a key holds `{…}` with something in it, only that counts: the first. */
export function slotOf(key: string | Buffer): number {
  const bytes = Buffer.isBuffer(key) ? key : Buffer.from(key);
  const open = bytes.indexOf(OPEN);
  const close = open < 0 ? -1 : bytes.indexOf(CLOSE, open + 1);
  return crc16(close > open + 1 ? bytes.subarray(open + 1, close) : bytes) % SLOTS;
}

let tags: readonly string[] | undefined;

/**
 * A short text in a slot. The names of our keys are made of these, so they must never change: of all numbers, written with
 * base 36, the smallest that is in the slot.
 */
export function tagOf(slot: number): string {
  tags ??= findTags();
  const tag = tags[slot];
  if (tag === undefined) throw new Error(`There is no slot ${slot}.`);
  return tag;
}

function findTags(): readonly string[] {
  const found = new Array<string>(SLOTS).fill('');
  for (let number = 0, left = SLOTS; left > 0; number++) {
    const tag = number.toString(36);
    const slot = slotOf(tag);
    if (found[slot] !== '') continue;
    found[slot] = tag;
    left--;
  }
  return found;
}
