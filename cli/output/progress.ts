import { bars } from './progress-bars.ts';
import { plainLines } from './progress-lines.ts';
import type { ProgressView } from './progress-view.ts';

export type { ProgressLine, ProgressView } from './progress-view.ts';

const silent: ProgressView = { start: () => {}, advance: () => {}, remark: () => {}, stop: () => {} };

/** On standard error: bars on a terminal, a line now and then elsewhere. */
export function openProgress(options: { readonly quiet: boolean }): ProgressView {
  if (options.quiet) return silent;
  const { stderr, env } = process;
  // A terminal that cannot move its cursor says that it is dumb.
  return stderr.isTTY && env.TERM !== 'dumb' ? bars(stderr) : plainLines(stderr);
}
