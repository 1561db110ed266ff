/**
 * As much of the Protocol Buffers wire format as one request needs: varints and length-delimited fields.
 * https://protobuf.dev/programming-guides/encoding/
 */

export type FieldKind = 'varint' | 'bytes';

/** Field numbers here are below 16, so that a tag is one byte. */
export const TAG_BYTES = 1;

const WIRE_TYPES: Readonly<Record<FieldKind, number>> = { varint: 0, bytes: 2 };

/** Of a whole number from 0 to 2⁵³ − 1. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** Tag, length and content. */
export function fieldBytes(contentBytes: number): number {
  return TAG_BYTES + varintBytes(contentBytes) + contentBytes;
}

/** Writes into a buffer whose size was worked out before: every length stands in front of what it measures. */
export class ProtobufWriter {
  readonly #bytes: Buffer;
  #place = 0;

  constructor(size: number) {
    // Not from the pool: a message is large and lives as long as its call.
    this.#bytes = Buffer.allocUnsafeSlow(size);
  }

  tag(field: number, kind: FieldKind): void {
    this.#bytes[this.#place++] = (field << 3) | WIRE_TYPES[kind];
  }

  varint(value: number): void {
    let rest = value;
    // Not by shifts, which see 32 bits only.
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#place++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#place++] = rest;
  }

  /** Begins a length-delimited field; its content is what is written next. */
  open(field: number, contentBytes: number): void {
    this.tag(field, 'bytes');
    this.varint(contentBytes);
  }

  text(field: number, text: string, bytes: number): void {
    this.open(field, bytes);
    this.#place += this.#bytes.write(text, this.#place, bytes, 'utf8');
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#place);
    this.#place += bytes.byteLength;
  }

  /** The message; throws when its sizes were worked out wrong, before anybody is sent it. */
  finished(): Buffer {
    if (this.#place !== this.#bytes.byteLength) {
      throw new Error(`A message of ${this.#bytes.byteLength} bytes has ${this.#place}.`);
    }
    return this.#bytes;
  }
}
