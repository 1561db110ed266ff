import type { WorkTask } from '../../log/log.ts';

/**
 * Does whatever tasks come, at most `limit` at once, until the signal is aborted. The first rejection stops the others, and is
 * thrown when all have let go.
 */
export async function eachTask(
  tasksUntil: (stop: AbortSignal) => AsyncIterable<WorkTask>,
  limit: number,
  work: (task: WorkTask, stop: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  let firstError: { readonly error: unknown } | undefined;
  const tasks = tasksUntil(stop)[Symbol.asyncIterator]();
  const worker = async (): Promise<void> => {
    try {
      for (let next = await tasks.next(); next.done !== true; next = await tasks.next()) {
        await work(next.value, stop);
      }
    } catch (error) {
      firstError ??= { error };
      failure.abort();
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  if (firstError !== undefined) throw firstError.error;
}
