import { isAnswer, isWrongType } from '../errors.ts';
import type { PlainCommand, RedisClient } from './client.ts';

export const WRONG_TYPE = Symbol('wrong type');

/**
 * Sends several commands in one go and answers what each said, in their order; `WRONG_TYPE` where the key holds
 * something else than the command is for.
 */
export async function pipelined(
  client: RedisClient,
  commands: readonly PlainCommand[],
): Promise<readonly unknown[]> {
  if (commands.length === 0) return [];
  return client.batch(commands, ([error, answer]) => {
    if (error === null) return answer;
    if (isAnswer(error) && isWrongType(error)) return WRONG_TYPE;
    throw error;
  });
}
