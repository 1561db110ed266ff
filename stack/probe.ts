import { ChangeoverError } from '../core/errors.ts';

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
