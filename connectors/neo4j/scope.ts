import type { StoreContext } from '../connector.ts';
import type { Neo4jOptions } from './options.ts';
import type { SchemaScope } from './schema.ts';

/** What the parts of one open store share. */
export interface StoreScope extends SchemaScope {
  readonly options: Neo4jOptions;
  readonly context: SchemaScope['context'] & Pick<StoreContext, 'clock' | 'logger'>;
}
