import { notAnObject } from '../errors.ts';
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  isOpening,
  OPEN_OBJECT,
  QUOTE,
  type Walk,
  walkBlanks,
  walkJunk,
  walkNested,
  walkScalar,
  walkString,
} from './json-walk.ts';

/** One `"key": value` of the top-level object. The bytes are views, good until the next ones are asked for. */
export interface Member {
  readonly type: 'member';
  /** With its quotes and escapes. */
  readonly key: Buffer;
  readonly keyOffset: number;
  readonly line: number;
  readonly valueOffset: number;
  readonly valueLength: number;
  /** Undefined when it is longer than the limit. */
  readonly value: Buffer | undefined;
}

/** A stretch of the file that is no member. */
export interface Damage {
  readonly type: 'damage';
  readonly offset: number;
  readonly line: number;
  readonly reason: string;
}

export type ScanEvent = Member | Damage;

/** `junk`: what is skipped after something that cannot be. `behind`: after the closing brace. */
type State =
  | 'start'
  | 'member'
  | 'key'
  | 'colon'
  | 'value'
  | 'nested'
  | 'string'
  | 'scalar'
  | 'junk'
  | 'behind';

/**
 * Finds the members of a JSON object. Whether a value is JSON shows when it is parsed, alone, so one broken value does
 * not hide those behind it. Offsets are absolute. `parse` is given a window of the file and goes on where it stopped;
 * the window must begin at or before `keepFrom`.
 */
export class MemberParser {
  readonly #maxValueBytes: number;
  readonly #walk: Walk = { line: 1, depth: 0, inString: false };
  #state: State = 'start';
  #position = 0;
  #memberLine = 1;
  #keyStart = 0;
  #keyEnd = 0;
  #valueStart = 0;
  /** A copy, once the value has become too long to be kept in the window. */
  #longMembersKey: Buffer | undefined;
  #behind: { readonly offset: number; readonly line: number } | undefined;
  #events: ScanEvent[] = [];

  constructor(maxValueBytes: number) {
    this.#maxValueBytes = maxValueBytes;
  }

  /** The first byte that is still needed. */
  get keepFrom(): number {
    const needed = (this.#state === 'key' || this.#inMember) && this.#longMembersKey === undefined;
    return needed ? this.#keyStart : this.#position;
  }

  get #inMember(): boolean {
    return this.#state === 'colon' || this.#state === 'value' || this.#inValue;
  }

  get #inValue(): boolean {
    return this.#state === 'nested' || this.#state === 'string' || this.#state === 'scalar';
  }

  /** The members that end before `end`, where `window` begins at byte `origin` of the file. */
  parse(window: Buffer, origin: number, end: number): readonly ScanEvent[] {
    this.#events = [];
    while (this.#position < end) this.#step(window, origin, end);
    if (this.#inValue && this.#longMembersKey === undefined && end - this.#valueStart > this.#maxValueBytes)
      this.#longMembersKey = Buffer.from(this.#key(window, origin));
    if (this.#state === 'key' && end - this.#keyStart > this.#maxValueBytes) this.#skipKey();
    return this.#events;
  }

  /** What the end of the file says. Throws `mismatch` when there was no object at all. */
  finish(window: Buffer, origin: number, end: number): readonly ScanEvent[] {
    this.#events = [];
    if (this.#state === 'start') throw notAnObject('there is nothing in it');
    if (this.#state === 'behind') {
      const { offset, line } = this.#behind ?? { offset: end, line: 0 };
      if (offset < end) this.#damage(offset, line, `${end - offset} bytes follow the closing brace`);
    } else if (this.#inMember) {
      this.#damage(this.#keyStart, this.#memberLine, cutOff(this.#key(window, origin)));
    } else {
      this.#damage(Math.min(this.#position, end), this.#walk.line, cutOff(undefined));
    }
    return this.#events;
  }

  #step(window: Buffer, origin: number, end: number): void {
    const from = this.#position - origin;
    const stop = end - origin;
    switch (this.#state) {
      case 'nested':
        this.#position = origin + walkNested(window, from, stop, this.#walk);
        if (this.#walk.depth === 0) this.#finishMember(window, origin);
        return;
      case 'key':
      case 'string':
        this.#position = origin + walkString(window, from, stop, this.#walk);
        if (this.#walk.inString) return;
        if (this.#state === 'key') {
          this.#keyEnd = this.#position;
          this.#state = 'colon';
        } else this.#finishMember(window, origin);
        return;
      case 'scalar':
        this.#position = origin + walkScalar(window, from, stop);
        if (this.#position < end) this.#finishMember(window, origin);
        return;
      case 'junk':
        this.#position = origin + walkJunk(window, from, stop, this.#walk);
        if (this.#position < end) this.#state = 'member';
        return;
      default:
        this.#position = origin + walkBlanks(window, from, stop, this.#walk);
        if (this.#position < end) this.#decide(window[this.#position - origin] as number, this.#position++);
    }
  }

  /** Between values one byte decides what comes next. */
  #decide(byte: number, here: number): void {
    switch (this.#state) {
      case 'start':
        if (byte !== OPEN_OBJECT) throw notAnObject(`it begins with byte 0x${byte.toString(16)}`);
        this.#state = 'member';
        return;
      case 'member':
        if (byte === QUOTE) this.#begin(here);
        else if (byte === CLOSE_OBJECT) this.#state = 'behind';
        else if (byte !== COMMA) this.#derail(here, 'an id in quotes was expected here');
        return;
      case 'colon':
        if (byte === COLON) this.#state = 'value';
        else this.#derail(here, 'a colon was expected here');
        return;
      case 'value':
        this.#valueStart = here;
        if (byte === COMMA || byte === CLOSE_OBJECT) {
          this.#derail(here, 'a value was expected here');
          return;
        }
        this.#walk.inString = byte === QUOTE;
        this.#walk.depth = isOpening(byte) ? 1 : 0;
        this.#state = isOpening(byte) ? 'nested' : byte === QUOTE ? 'string' : 'scalar';
        return;
      default:
        this.#behind ??= { offset: here, line: this.#walk.line };
    }
  }

  #begin(here: number): void {
    this.#keyStart = here;
    this.#memberLine = this.#walk.line;
    this.#longMembersKey = undefined;
    this.#walk.inString = true;
    this.#state = 'key';
  }

  /** The byte that could not be is looked at again: it may be the comma after which all is well. */
  #derail(here: number, reason: string): void {
    this.#damage(here, this.#walk.line, reason);
    Object.assign(this.#walk, { depth: 0, inString: false });
    this.#position = here;
    this.#state = 'junk';
  }

  #skipKey(): void {
    this.#damage(this.#keyStart, this.#memberLine, `an id is longer than ${this.#maxValueBytes} bytes`);
    this.#walk.depth = 0;
    this.#state = 'junk';
  }

  #damage(offset: number, line: number, reason: string): void {
    this.#events.push({ type: 'damage', offset, line, reason });
  }

  #finishMember(window: Buffer, origin: number): void {
    const valueLength = this.#position - this.#valueStart;
    const kept = this.#longMembersKey === undefined && valueLength <= this.#maxValueBytes;
    this.#events.push({
      type: 'member',
      key: this.#key(window, origin),
      keyOffset: this.#keyStart,
      line: this.#memberLine,
      valueOffset: this.#valueStart,
      valueLength,
      value: kept ? window.subarray(this.#valueStart - origin, this.#position - origin) : undefined,
    });
    this.#state = 'member';
  }

  #key(window: Buffer, origin: number): Buffer {
    return this.#longMembersKey ?? window.subarray(this.#keyStart - origin, this.#keyEnd - origin);
  }
}

/** Why a file that ends too early is damaged: in the midst of the agent of that key, or between two. */
function cutOff(key: Buffer | undefined): string {
  const LONGEST_SHOWN = 200;
  return key === undefined
    ? 'the file ends without its closing brace: what came behind this place is missing'
    : `the file ends in the middle of agent ${key.toString('utf8', 0, LONGEST_SHOWN)}, which begins here: it is cut off, and what came behind it is missing`;
}
