import { readFile } from 'node:fs/promises';
import { ChangeoverError } from '../../../core/errors.ts';
import { isRecord, tryParseJson } from '../../../core/json.ts';
import { isMissing, translated } from '../errors.ts';
import { replaceFile } from '../paths.ts';

/** Which entries of an outbox the log has confirmed: all up to a number, and some behind it. */
export class Relayed {
  readonly upTo: number;
  readonly #beyond: ReadonlySet<number>;

  private constructor(upTo: number, beyond: ReadonlySet<number>) {
    this.upTo = upTo;
    this.#beyond = beyond;
  }

  static readonly NONE = new Relayed(0, new Set());

  static of(upTo: number, beyond: Iterable<number>): Relayed {
    const left = new Set(beyond);
    let end = upTo;
    while (left.delete(end + 1)) end++;
    return new Relayed(end, left);
  }

  has(number: number): boolean {
    return number <= this.upTo || this.#beyond.has(number);
  }

  with(numbers: Iterable<number>): Relayed {
    const beyond = new Set(this.#beyond);
    for (const number of numbers) if (number > this.upTo) beyond.add(number);
    return Relayed.of(this.upTo, beyond);
  }

  /** How many of the entries 1 … last are left. */
  leftOf(lastNumber: number): number {
    return Math.max(0, lastNumber - this.upTo - this.#beyond.size);
  }

  /** The greatest number that it speaks of. */
  get highest(): number {
    return Math.max(this.upTo, ...this.#beyond);
  }

  toJSON(): { readonly upTo: number; readonly beyond: readonly number[] } {
    return { upTo: this.upTo, beyond: [...this.#beyond] };
  }
}

/**
 * `<file>.relayed`: written by whoever drains the outbox, which may be another process than the owner of the journal;
 * the owner leaves out what it says when it begins a new journal. It names the outbox that it is of, so that it says
 * nothing of one that was begun anew.
 */
export async function readRelayed(path: string, outbox: string): Promise<Relayed> {
  let text: string;
  try {
    text = await translated(`read ${path}`, () => readFile(path, 'utf8'));
  } catch (error) {
    if (isMissing(error)) return Relayed.NONE;
    throw error;
  }
  const said = tryParseJson(text);
  if (!isRecord(said) || !Number.isSafeInteger(said.upTo) || !Array.isArray(said.beyond)) {
    throw new ChangeoverError('mismatch', `${path} is not what the relay writes there.`, {
      hint: 'Move it away: what the journal holds is relayed once more, which is harmless.',
    });
  }
  return said.outbox === outbox ? Relayed.of(said.upTo as number, said.beyond as number[]) : Relayed.NONE;
}

export async function writeRelayed(path: string, outbox: string, relayed: Relayed): Promise<void> {
  await translated(`write ${path}`, () => replaceFile(path, JSON.stringify({ outbox, ...relayed.toJSON() })));
}
