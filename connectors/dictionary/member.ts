import { ChangeoverError } from '../../core/errors.ts';

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

export function notAnObject(reason: string): ChangeoverError {
  return new ChangeoverError('mismatch', `The dictionary is no JSON object: ${reason}.`, {
    hint: 'The file must be one JSON object, agent id → agent. Check `file` in the configuration.',
  });
}

/** For who would write the file anew: what cannot be read would be lost. */
export function damageError(path: string, { line, offset, reason }: Damage): ChangeoverError {
  return new ChangeoverError(
    'mismatch',
    `The dictionary ${path} is damaged in line ${line} (byte ${offset}): ${reason}.`,
    {
      hint: 'It can be read, but is not written to while it is so. Mend it or restore it from a copy.',
    },
  );
}

/** Why a file that ends too early is damaged: in the midst of the agent of that key, or between two. */
export function cutOff(key: Buffer | undefined): string {
  const LONGEST_SHOWN = 200;
  return key === undefined
    ? 'the file ends without its closing brace: what came behind this place is missing'
    : `the file ends in the middle of agent ${key.toString('utf8', 0, LONGEST_SHOWN)}, which begins here: it is cut off, and what came behind it is missing`;
}
