import { ChangeoverError } from '../core/errors.ts';

/** For connecting to a server of this machine. Long, because a busy machine runs the timer before it reads the answer. */
export const CONNECT_MS = 5_000;
/** For one attempt of a probe. */
export const ANSWER_MS = 10_000;
/** For closing a connection that may hang. */
export const CLOSE_MS = 2_000;

/** The promise's result, or `timeout`: some clients wait for ever for a server that has just been killed. */
export async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new ChangeoverError('timeout', `No answer within ${limitMs} ms`)),
    limitMs,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
