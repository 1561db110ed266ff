import { ChangeoverError } from '../../../core/errors.ts';
import { identityFault } from '../../../schemas/entity-fault.ts';
import { escapeBytes, NOT_UTF8, textOf } from '../bytes.ts';
import { type Layout, quote } from '../layout.ts';
import { codeOfKey, type KeyCode, type MappedKey } from '../mapped-keys.ts';
import type { RedisMapping } from './mapping.ts';

/** A word of a command as ioredis sends it. */
export type Word = string | Buffer;

/** What becomes of a command. */
export type Plan =
  /** It goes to the server as it is. */
  | { readonly type: 'pass' }
  | { readonly type: 'refuse'; readonly error: ChangeoverError }
  /** It runs in the script (script.ts), which takes these words for it. */
  | { readonly type: 'capture'; readonly keys: readonly Word[]; readonly item: readonly Word[] };

export interface PlanContext {
  readonly layout: Layout;
  readonly mapping: RedisMapping;
}

export const PASS: Plan = { type: 'pass' };

export type Planner = (name: string, args: readonly Word[], context: PlanContext) => Plan;

/** Throws for a key of our own, and for one whose bytes are no text: read as one, several keys would become one, and none of them this. */
export function mappedKey(word: Word | undefined, { layout, mapping }: PlanContext): MappedKey | undefined {
  if (word === undefined) return undefined;
  const text = String(word);
  if (text.startsWith(layout.bookkeepingPrefix)) {
    throw new ChangeoverError('unsupported', `The key ${quote(text)} is Changeover's own.`, {
      hint: `Keys that begin with ${quote(layout.bookkeepingPrefix)} are not for the application.`,
    });
  }
  const mapped = codeOfKey(text, layout, mapping.kinds);
  if (mapped === undefined || typeof word === 'string' || textOf(word) !== undefined) return mapped;
  throw new ChangeoverError(
    'unsupported',
    `The key ${escapeBytes(word)} ${NOT_UTF8}, so it cannot be captured.`,
    {
      hint: 'Nothing was written. An id of an agent is text in UTF-8.',
    },
  );
}

const HOLDS: { readonly [code in KeyCode]: string } = {
  agent: 'an agent, a hash: use HSET, HDEL, DEL and the like',
  policy: 'a policy, a string: use SET, DEL and the like',
  named: "an agent's policies, a hash: use HSET, HDEL, DEL and the like",
  q: "an agent's Q-values, a hash: use HSET, HDEL, DEL and the like",
  experience: "an agent's experiences, a list: use RPUSH, LPUSH, LTRIM, DEL and the like",
};

/** `part` says which part of the key is meant, with the application's own words as they were given. */
export function refuseCommand(name: string, key: Word, { code }: MappedKey, part = ''): Plan {
  const message = `${name.toUpperCase()} of ${part}${quote(String(key))} cannot be captured.`;
  return {
    type: 'refuse',
    error: new ChangeoverError('unsupported', message, { hint: `The key holds ${HOLDS[code]}.` }),
  };
}

export function refuseContent(key: Word, reason: string): Plan {
  const message = `Key ${quote(String(key))}: ${reason}`;
  const hint = 'Nothing was written. Correct the value: no store could hold what the log would say of it.';
  return { type: 'refuse', error: new ChangeoverError('change-rejected', message, { hint }) };
}

/** Lua's stack takes some 8,000 values. */
const MAX_WORDS = 7_000;

/** The words for the script. */
export function capture(
  act: string,
  { code, id }: MappedKey,
  words: readonly Word[],
  hints: readonly Word[],
  keys: readonly Word[],
): Plan {
  if (words.length > MAX_WORDS) {
    const message = `${String(words[0]).toUpperCase()} with ${words.length} words is too long to be captured.`;
    const hint = `Send it in parts of at most ${MAX_WORDS} words.`;
    return { type: 'refuse', error: new ChangeoverError('unsupported', message, { hint }) };
  }
  return {
    type: 'capture',
    keys,
    item: [`${act} ${code} ${words.length} ${hints.length}`, id, ...words, ...hints],
  };
}

export function idFault({ code, id }: MappedKey): string | undefined {
  const fault = identityFault('agent', { id });
  return fault === undefined ? undefined : code === 'agent' ? fault : `the agent's ${fault}`;
}
