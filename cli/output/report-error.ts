import { ChangeoverError, exitCodeOf, messageOf } from '../../core/errors.ts';

/**
 * Tells the operator what went wrong: what, where, what to do. A stack trace only for a defect of ours, or when
 * CHANGEOVER_DEBUG asks for it. Answers the exit code.
 */
export function reportError(error: unknown, env: NodeJS.ProcessEnv): number {
  process.stderr.write(`changeover: ${messageOf(error)}\n`);
  if (error instanceof ChangeoverError) {
    if (error.hint !== undefined) process.stderr.write(`  → ${error.hint}\n`);
  } else {
    process.stderr.write('  → This is a defect of changeover: please report it with the lines below.\n');
  }
  const debugging = env.CHANGEOVER_DEBUG !== undefined || !(error instanceof ChangeoverError);
  if (debugging && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return exitCodeOf(error);
}
