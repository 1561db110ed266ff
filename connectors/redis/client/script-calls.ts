import type { Redis } from 'ioredis';
import { isAnswer, isFullOutbox, isUnknownScript, isUnsent } from '../errors.ts';
import type { Script } from './script.ts';

export async function evaluate(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  const rest = [keys.length, ...keys, ...args];
  try {
    return await redis.callBuffer('evalsha', [script.sha1, ...rest]);
  } catch (error) {
    // The server has been restarted, or never saw it.
    if (!isUnknownScript(error)) throw error;
    return await redis.callBuffer('eval', [script.lua, ...rest]);
  }
}

/** What became of a call that must not be made twice: given up where the server may have begun. */
export type Once = { readonly answer: unknown } | { readonly gaveUp: unknown };

/** Throws what may be tried again. */
export async function evaluateOnce(...given: Parameters<typeof evaluate>): Promise<Once> {
  try {
    return { answer: await evaluate(...given) };
  } catch (error) {
    if ((isAnswer(error) && !isFullOutbox(error)) || isUnsent(error)) throw error;
    return { gaveUp: error };
  }
}
