/**
 * The run/stop contract of everything that lives longer than one call.
 *
 * `run` resolves when the service has stopped because it was asked to (the signal) or because its work is done, and
 * rejects when it cannot go on. By the time it settles it has let go of everything it held. It never ends the process.
 */
export interface Service {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/** What has to be let go of; closing twice is harmless. */
export interface Closable {
  close(): Promise<void>;
}

/**
 * Runs services side by side. When one of them rejects, the others are stopped and the first error is thrown after
 * all have let go.
 */
export async function runAll(services: readonly Service[], signal: AbortSignal): Promise<void> {
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  let firstError: { readonly error: unknown } | undefined;
  await Promise.all(
    services.map(async (service) => {
      try {
        await service.run(stop);
      } catch (error) {
        firstError ??= { error };
        failure.abort();
      }
    }),
  );
  if (firstError !== undefined) throw firstError.error;
}

/** Closes in the reverse of the order given, all of them even when one fails, then throws the first error. */
export async function closeAll(closables: readonly Closable[]): Promise<void> {
  let firstError: { readonly error: unknown } | undefined;
  for (const closable of closables.toReversed()) {
    try {
      await closable.close();
    } catch (error) {
      firstError ??= { error };
    }
  }
  if (firstError !== undefined) throw firstError.error;
}

/** The outcome of `work`, or the signal's reason when it is aborted first; then the work goes on in the background. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // What becomes of work that nobody waits for any more must not end the process.
  work.catch(() => {});
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
