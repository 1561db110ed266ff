import type { EntityOf } from '../../schemas/change.ts';
import type { IdentityOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';

/** The kinds that this store can hold. */
export const POSTGRES_KINDS = ['agent', 'experience', 'q-value', 'policy'] as const satisfies readonly Kind[];
export type PostgresKind = (typeof POSTGRES_KINDS)[number];

export type ColumnType = 'text' | 'bigint' | 'float8' | 'boolean' | 'json';

/** One field of an entity as a column. */
export interface Column {
  readonly field: string;
  readonly name: string;
  readonly type: ColumnType;
}

/**
 * One kind as a table. What the store holds, tombstones included, is in the table `held`; what is alive, as users query
 * it, is the view. The migrations make both; this says how entities map to them.
 */
export interface Table<K extends PostgresKind = PostgresKind> {
  readonly kind: K;
  readonly view: string;
  readonly held: string;
  /** The fields that name the entity, in the order of the primary key; a tombstone has these alone. */
  readonly key: readonly Column[];
  /** The fields of the scan order (schemas/keys.ts); an index has them. */
  readonly place: readonly Column[];
  /** Every field, those of the key included. */
  readonly columns: readonly Column[];
}

type Field<K extends PostgresKind> = keyof EntityOf[K] & string;

interface TableOptions<K extends PostgresKind> {
  readonly key: readonly (keyof IdentityOf[K] & Field<K>)[];
  readonly place: readonly Field<K>[];
  readonly columns: Readonly<Record<Field<K>, ColumnType>>;
}

function table<K extends PostgresKind>(kind: K, view: string, options: TableOptions<K>): Table<K> {
  const columns = Object.entries<ColumnType>(options.columns).map(([field, type]) => ({
    field,
    name: field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    type,
  }));
  const named = (fields: readonly string[]) =>
    fields.flatMap((field) => columns.filter((column) => column.field === field));
  return {
    kind,
    view,
    held: `${view}_held`,
    key: named(options.key),
    place: named(options.place),
    columns,
  };
}

const TABLES: { readonly [K in PostgresKind]: Table<K> } = {
  agent: table('agent', 'agents', {
    key: ['id'],
    place: ['id'],
    columns: { id: 'text', type: 'text', active: 'boolean', attributes: 'json' },
  }),
  experience: table('experience', 'experiences', {
    key: ['id'],
    place: ['agentId', 'id'],
    columns: {
      id: 'text',
      agentId: 'text',
      episode: 'bigint',
      step: 'bigint',
      state: 'text',
      action: 'bigint',
      reward: 'float8',
      nextState: 'text',
      done: 'boolean',
      at: 'bigint',
    },
  }),
  'q-value': table('q-value', 'q_values', {
    key: ['agentId', 'state', 'action'],
    place: ['agentId', 'state', 'action'],
    columns: { agentId: 'text', state: 'text', action: 'bigint', value: 'float8', visits: 'bigint' },
  }),
  policy: table('policy', 'policies', {
    key: ['agentId', 'name'],
    place: ['agentId', 'name'],
    columns: {
      agentId: 'text',
      name: 'text',
      algorithm: 'text',
      environment: 'text',
      parameters: 'json',
      actions: 'json',
      revision: 'bigint',
    },
  }),
};

function holds(kind: Kind): kind is PostgresKind {
  return (POSTGRES_KINDS as readonly Kind[]).includes(kind);
}

export function tableOf(kind: Kind): Table {
  if (!holds(kind)) throw new Error(`Postgres holds no ${kind}.`);
  return TABLES[kind];
}
