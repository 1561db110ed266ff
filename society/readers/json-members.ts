import { isUtf8 } from 'node:buffer';
import { messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';

/** One member of a JSON object, or what stands in its place. */
export type Member =
  | { readonly line: number; readonly name: string; readonly value: unknown }
  | { readonly line: number; readonly fault: string };

const MAX_MEMBER_BYTES = 64 * 1024 * 1024;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const OPENING = new Set([0x7b, 0x5b]);
const CLOSING = new Set([0x7d, 0x5d]);
const MARK = Buffer.from('\ufeff');

/**
 * Reads a JSON object too large for memory, member by member: splits it at the commas of its outermost level, then
 * leaves each member to `JSON.parse`. A member that does not parse is a fault, and the next one goes on. Holds one
 * member at a time, up to 64 MiB.
 */
export async function* jsonMembers(chunks: AsyncIterable<Buffer>): AsyncGenerator<Member> {
  const splitter = new MemberSplitter();
  for await (const chunk of chunks) {
    yield* splitter.push(chunk);
    if (splitter.isBroken) return;
  }
  yield* splitter.end();
}

class MemberSplitter {
  /** True when what follows cannot be told apart any more. */
  isBroken = false;
  private rest: Buffer = Buffer.alloc(0);
  private depth = 0;
  private inString = false;
  private escaped = false;
  private ended = false;
  private line = 1;
  /** Where the member at hand begins, once something other than a blank was seen. */
  private memberLine: number | undefined;

  *push(chunk: Buffer): Generator<Member> {
    const bytes = Buffer.concat([this.rest, chunk]);
    let start = 0;
    for (let place = this.rest.length; place < bytes.length; place++) {
      const byte = bytes[place] ?? SPACE;
      if (byte === LINE_FEED) this.line++;
      if (byte <= SPACE && !this.inString) continue;
      if (this.depth === 0) {
        const fault = this.outside(bytes, place);
        if (fault !== undefined) {
          yield fault;
          return;
        }
        start = place + 1;
        continue;
      }
      const isBoundary = this.inside(byte);
      if (!isBoundary) {
        this.memberLine ??= this.line;
        continue;
      }
      yield* this.member(bytes.subarray(start, place));
      start = place + 1;
    }
    this.rest = bytes.subarray(start);
    if (this.depth > 0 && this.rest.length > MAX_MEMBER_BYTES) {
      this.isBroken = true;
      yield { line: this.memberLine ?? this.line, fault: `is longer than ${MAX_MEMBER_BYTES} bytes` };
    }
  }

  *end(): Generator<Member> {
    if (this.isBroken || this.ended) return;
    const line = this.memberLine ?? this.line;
    if (this.depth === 0) {
      yield { line, fault: 'the file is empty' };
      return;
    }
    // The last member may be whole, with only the end of the object missing.
    const last = this.memberLine === undefined ? undefined : parseMember(line, this.rest);
    if (last !== undefined && 'value' in last) yield last;
    yield { line, fault: 'the file ends early: what should follow from here on is missing' };
  }

  /** A byte before the object or after it. */
  private outside(bytes: Buffer, place: number): Member | undefined {
    const byte = bytes[place] ?? SPACE;
    if (this.line === 1 && !this.ended && MARK.includes(byte)) return undefined;
    if (byte === 0x7b && !this.ended) {
      this.depth = 1;
      return undefined;
    }
    this.isBroken = true;
    const fault = this.ended ? 'something follows the end of the object' : 'the file is not a JSON object';
    return { line: this.line, fault };
  }

  /** True when the byte ends a member of the object. */
  private inside(byte: number): boolean {
    if (this.inString) {
      if (this.escaped) this.escaped = false;
      else if (byte === BACKSLASH) this.escaped = true;
      else if (byte === QUOTE) this.inString = false;
      return false;
    }
    if (byte === QUOTE) this.inString = true;
    else if (OPENING.has(byte)) this.depth++;
    else if (CLOSING.has(byte)) this.depth--;
    this.ended = this.depth === 0;
    return this.ended || (byte === COMMA && this.depth === 1);
  }

  private *member(bytes: Buffer): Generator<Member> {
    const line = this.memberLine;
    this.memberLine = undefined;
    // Nothing stands between the braces of an empty object.
    if (line !== undefined) yield parseMember(line, bytes);
  }
}

function parseMember(line: number, bytes: Buffer): Member {
  if (!isUtf8(bytes)) return { line, fault: 'is not UTF-8' };
  try {
    const parsed: unknown = JSON.parse(`{${bytes.toString('utf8')}}`);
    const [[name, value] = ['', undefined]] = isRecord(parsed) ? Object.entries(parsed) : [];
    return { line, name, value };
  } catch (error) {
    return { line, fault: `is not JSON: ${messageOf(error)}` };
  }
}
