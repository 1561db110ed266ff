#!/usr/bin/env node
import { CommanderError } from 'commander';
import { ChangeoverError } from '../core/errors.ts';
import type { CommandContext } from './command.ts';
import { reportError } from './output/report-error.ts';
import { createProgram } from './program.ts';

/** Ctrl-C or SIGTERM once: finish what is under way and stop. Twice: stop now. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130);
      process.stderr.write('\nStopping; once more stops at once.\n');
      controller.abort(new ChangeoverError('aborted', 'Stopped.'));
    });
  }
  return controller.signal;
}

async function main(): Promise<void> {
  const context: CommandContext = {
    env: process.env,
    signal: stopOnSignals(),
    print: (text) => process.stdout.write(`${text}\n`),
    note: (text) => process.stderr.write(`${text}\n`),
  };
  try {
    await createProgram(context).parseAsync();
  } catch (error) {
    // Commander has printed its own message; help and --version end here too.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else process.exitCode = reportError(error, process.env);
  }
}

await main();
