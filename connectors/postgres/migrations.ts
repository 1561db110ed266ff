import { createHash } from 'node:crypto';
import { agentsAndRlState } from './migrations/0001-agents-and-rl-state.ts';

/**
 * One step of the schema. Its SQL runs with the configured schema first in the search path. Once landed it is never
 * edited (its checksum is stored beside it, and a test holds it): what is to change gets the next number.
 */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [agentsAndRlState];

export function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex').slice(0, 16);
}
