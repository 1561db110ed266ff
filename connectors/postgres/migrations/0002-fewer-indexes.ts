import type { Migration } from '../migration.ts';

/**
 * Agents are asked for by id, and walked by it. An index on the few types, or on a truth value, made every new row a fifth dearer
 * for the server, and served none of our questions; who asks such questions makes the index that fits them.
 */
export const fewerIndexes: Migration = {
  number: 2,
  name: 'fewer indexes',
  sql: `
DROP INDEX IF EXISTS agents_type;
DROP INDEX IF EXISTS agents_active;
`,
};
