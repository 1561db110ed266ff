import { ChangeoverError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Neo4jClient, Parameters } from './client.ts';

/**
 * Runs `CREATE … IF NOT EXISTS`. Two processes that make the same thing at once may deadlock or collide all the same;
 * whoever comes second finds it made.
 */
export async function runSchemaCommand(
  client: Neo4jClient,
  text: string,
  parameters: Parameters = {},
): Promise<void> {
  await retry(() => client.runAlone(text, parameters), {
    policy: { attempts: 4, initialDelayMs: 100 },
    retryable: (error) => error instanceof ChangeoverError && (error.retryable || error.code === 'conflict'),
  });
}
