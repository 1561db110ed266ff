import { ChangeoverError, messageOf, systemCodeOf } from '../../core/errors.ts';
import { reportError } from './report-error.ts';

/**
 * Watches for output that nobody takes any more. `changeover … | head` closes the pipe when it has read enough: that
 * aborts, without a word, as SIGPIPE would end another program. A terminal that is gone (EIO) sends SIGHUP to those whom it
 * concerns, and is no reason to stop for a command that was left to run. Anything else, such as a full disk, is told.
 */
export function stopWhenUnread(controller: AbortController): { readonly lost: boolean } {
  const state = { lost: false };
  const onError = (error: Error): void => {
    const code = systemCodeOf(error);
    if (state.lost || code === 'EIO') return;
    state.lost = true;
    if (code !== 'EPIPE') process.exitCode = reportError(unwritable(error, code), process.env);
    controller.abort(new ChangeoverError('aborted', 'Nobody reads the output any more.'));
  };
  process.stdout.on('error', onError);
  process.stderr.on('error', onError);
  return state;
}

function unwritable(error: Error, code: string | undefined): ChangeoverError {
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new ChangeoverError(full ? 'no-space' : 'usage', `Cannot write the output: ${messageOf(error)}`, {
    hint: full ? 'Make room on that disk, or send the output to another one.' : 'Send the output elsewhere.',
    cause: error,
  });
}
