import type { Neo4jOptions } from './options.ts';
import type { SchemaScope } from './schema.ts';

/** What the parts of one open store share. */
export interface StoreScope extends SchemaScope {
  readonly options: Neo4jOptions;
}
