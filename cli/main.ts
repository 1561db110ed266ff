#!/usr/bin/env node
import { CommanderError } from 'commander';
import { exitCodeOf } from '../core/errors.ts';
import type { CommandContext } from './command.ts';
import { stopWhenUnread } from './output/lost-output.ts';
import { reportError } from './output/report-error.ts';
import { createProgram } from './program.ts';
import { stopOnSignals } from './stop-signal.ts';

const ABORTED = 130;
const FORGOTTEN_MS = 1_000;

async function main(): Promise<void> {
  const controller = new AbortController();
  stopOnSignals(controller);
  const output = stopWhenUnread(controller);
  const context: CommandContext = {
    env: process.env,
    signal: controller.signal,
    print: (text) => process.stdout.write(`${text}\n`),
    note: (text) => process.stderr.write(`${text}\n`),
  };
  try {
    await createProgram(context).parseAsync();
  } catch (error) {
    // Commander has printed its own message; help and --version end here too.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    // Whoever closed the pipe knows; anything else that was the matter with the output has been told.
    else if (output.lost && exitCodeOf(error) === ABORTED) process.exitCode ??= ABORTED;
    else process.exitCode = reportError(error, process.env);
  }
}

await main();
// Nothing is left to do: a connection that a client forgot to close must not keep the process. A process that ends by itself,
// as it should, does not get here.
setTimeout(() => process.exit(), FORGOTTEN_MS).unref();
