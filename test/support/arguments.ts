import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ChangeoverError, messageOf } from '../../core/errors.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** The options of a command line of our own programs. Throws `usage` for one that there is not; `help` says where they stand. */
export function readOptions<const O extends Options>(args: readonly string[], options: O, help: string) {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new ChangeoverError('usage', messageOf(error), { hint: `See \`${help}\`.` });
  }
}

/** Throws `usage` for what is no number: a NaN would run, and say nothing. */
export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new ChangeoverError('usage', `${option} ${text} is not a whole number from ${least} on`, {
    hint: `Give a number, such as ${option} ${Math.max(least, 1)}.`,
  });
}

/** One of the names that there are. Throws `usage` for another one, and names them all. */
export function oneOf<const Name extends string>(option: string, text: string, known: readonly Name[]): Name {
  const name = known.find((each) => each === text.trim());
  if (name !== undefined) return name;
  throw new ChangeoverError('usage', `${option} has no "${text}"`, {
    hint: `There are: ${known.join(', ')}.`,
  });
}

/** The same for names with commas between them. */
export function someOf<const Name extends string>(
  option: string,
  text: string,
  known: readonly Name[],
): readonly Name[] {
  return text.split(',').map((name) => oneOf(option, name, known));
}
