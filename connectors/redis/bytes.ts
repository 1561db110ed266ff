import { isUtf8 } from 'node:buffer';

/** The text in a value of Redis, or undefined where its bytes are no UTF-8: decoding those would change them unseen. */
export function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

export const NOT_UTF8 = 'is not UTF-8';

/** Bytes of any kind as text for people, each that is not plain ASCII as `\xNN`. */
export function escapeBytes(bytes: Buffer): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');
}
