import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { allowedNumbers, readEnvText } from '../core/options.ts';
import { KINDS, type Kind } from '../schemas/kinds.ts';
import { type Config, readConfig } from './config.ts';

/** What every command gets from main.ts. */
export interface CommandContext {
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by the first Ctrl-C, SIGTERM or SIGHUP, and when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  /** A command's result goes here; everything else goes to standard error. */
  print(text: string): void;
  /** Progress and notes, for people. */
  note(text: string): void;
}

/** A command adds itself to the program. */
export type RegisterCommand = (program: Command, context: CommandContext) => void;

/** The configuration that the global option --config, the environment or the working folder names. */
export function configOf(command: Command, context: CommandContext): Config {
  const { config } = command.optsWithGlobals<{ config?: string }>();
  return readConfig(config, context.env);
}

export function wholeNumber(text: string): number {
  const parsed = z.coerce.number().int().positive().safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError('It must be a whole number above 0.');
  return parsed.data;
}

/** Reads a flag with the schema of the option that it stands in for: its bounds stand in one place. */
export function optionText<S extends z.ZodType>(schema: S): (text: string) => z.output<S> {
  return (text) => {
    const parsed = schema.safeParse(readEnvText(text, schema));
    if (parsed.success) return parsed.data;
    const numbers = allowedNumbers(schema);
    const [issue] = parsed.error.issues;
    throw new InvalidArgumentError(numbers === undefined ? (issue?.message ?? '') : `It must be ${numbers}.`);
  };
}

/** Names separated by commas; undefined where none were asked for. */
export function nameList(text: string | undefined): readonly string[] | undefined {
  return text?.split(',').map((name) => name.trim());
}

export function kindList(text: string): readonly Kind[] {
  const parsed = z.array(z.enum(KINDS)).safeParse(text.split(',').map((part) => part.trim()));
  if (!parsed.success) throw new InvalidArgumentError(`The kinds are ${KINDS.join(', ')}.`);
  return parsed.data;
}
