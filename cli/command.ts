import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { KINDS, type Kind } from '../schemas/kinds.ts';
import { type Config, readConfig } from './config.ts';

/** What every command gets from main.ts. */
export interface CommandContext {
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by the first Ctrl-C or SIGTERM. */
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

export function kindList(text: string): readonly Kind[] {
  const parsed = z.array(z.enum(KINDS)).safeParse(text.split(',').map((part) => part.trim()));
  if (!parsed.success) throw new InvalidArgumentError(`The kinds are ${KINDS.join(', ')}.`);
  return parsed.data;
}
