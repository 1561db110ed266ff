import { createHash } from 'node:crypto';
import type { Migration } from './migration.ts';
import { agentsAndRlState } from './migrations/0001-agents-and-rl-state.ts';
import { fewerIndexes } from './migrations/0002-fewer-indexes.ts';

export const MIGRATIONS: readonly Migration[] = [agentsAndRlState, fewerIndexes];

export function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex').slice(0, 16);
}
