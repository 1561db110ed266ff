import { ChangeoverError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { readOptions, wholeNumber } from '../support/arguments.ts';

/** What the command line of the fault suite asks for. */
export interface FaultArguments {
  readonly seed: number;
  readonly ratePerSecond: number;
  /** All, where it names none. */
  readonly names: readonly string[] | undefined;
  readonly list: boolean;
  readonly help: boolean;
}

const MOST_NEAR = 5;

/** Throws `usage` for anything that it does not understand. */
export function readArguments(args: readonly string[], known: readonly string[]): FaultArguments {
  const { seed, rate, only, list, help } = readOptions(
    args,
    {
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
      rate: { type: 'string', default: '40' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
    'npm run faults -- --help',
  );
  const names = only?.split(',').map((name) => name.trim());
  for (const name of names ?? []) if (!known.includes(name)) throw unknown(name, known);
  return {
    seed: wholeNumber('--seed', seed, 0),
    ratePerSecond: wholeNumber('--rate', rate, 1),
    names,
    list,
    help,
  };
}

function unknown(name: string, known: readonly string[]): ChangeoverError {
  const near = nearNames(name, known);
  return new ChangeoverError('usage', name === '' ? '--only names no fault' : `There is no fault "${name}"`, {
    hint:
      near.length > 0
        ? `Near are: ${near.join(', ')}.`
        : '`npm run faults -- --list` shows all of them; in --only there are commas between them.',
  });
}

/** What was probably meant: a name with a slip in it, or else those that share most of its words. */
function nearNames(name: string, known: readonly string[]): readonly string[] {
  const meant = nearest(name, known);
  if (meant !== undefined) return [meant];
  const wanted = wordsOf(name);
  return known
    .map((each) => ({
      each,
      shared: wordsOf(each).filter((word) => wanted.some((other) => isNear(word, other))).length,
    }))
    .filter(({ shared }) => shared > 0)
    .toSorted((left, right) => right.shared - left.shared)
    .slice(0, MOST_NEAR)
    .map(({ each }) => each);
}

/** Also where one is only begun. */
const isNear = (word: string, other: string): boolean => word.startsWith(other) || other.startsWith(word);
const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
