import pg from 'pg';
import { keyOf, parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { canonical } from './canonical.ts';
import { type HeldState, placeOf } from './evidence.ts';
import type { TargetReader } from './target-reader.ts';

type PostgresKind = 'agent' | 'experience' | 'q-value' | 'policy';
type Row = Readonly<Record<string, unknown>>;

interface Table {
  readonly name: string;
  readonly entity: (row: Row) => object;
  /** Column → field of the identity. */
  readonly key: Readonly<Record<string, string>>;
}

const TABLES: { readonly [K in PostgresKind]: Table } = {
  agent: {
    name: 'agents_held',
    key: { id: 'id' },
    entity: ({ id, type, active, attributes }) => ({ id, type, active, attributes }),
  },
  experience: {
    name: 'experiences_held',
    key: { id: 'id' },
    entity: ({ id, agent_id, episode, step, state, action, reward, next_state, done, at }) => ({
      id,
      agentId: agent_id,
      episode: Number(episode),
      step: Number(step),
      state,
      action: Number(action),
      reward,
      nextState: next_state,
      done,
      at: Number(at),
    }),
  },
  'q-value': {
    name: 'q_values_held',
    key: { agent_id: 'agentId', state: 'state', action: 'action' },
    entity: ({ agent_id, state, action, value, visits }) => ({
      agentId: agent_id,
      state,
      action: Number(action),
      value,
      visits: Number(visits),
    }),
  },
  policy: {
    name: 'policies_held',
    key: { agent_id: 'agentId', name: 'name' },
    entity: ({ agent_id, name, algorithm, environment, parameters, actions, revision }) => ({
      agentId: agent_id,
      name,
      algorithm,
      environment,
      parameters,
      actions,
      revision: Number(revision),
    }),
  },
};

const KINDS = Object.keys(TABLES) as readonly PostgresKind[];

export async function openPostgresTarget(url: string, schema: string): Promise<TargetReader> {
  const client = new pg.Pool({ connectionString: url, max: 1, application_name: 'live oracle' });
  // Of a connection that nobody uses: the next question makes another.
  client.on('error', () => {});
  await client.query('SELECT 1');

  const states = async (): Promise<ReadonlyMap<string, HeldState>> => {
    const found = new Map<string, HeldState>();
    for (const kind of KINDS) {
      const { name, entity, key } = TABLES[kind];
      const { rows } = await client.query<Row>(`SELECT * FROM ${schema}.${name}`);
      for (const row of rows) {
        const content = row.deleted === true ? null : canonical(entity(row));
        found.set(placeOf({ kind, key: keyIn(kind, key, row) }), { version: Number(row.version), content });
      }
    }
    return found;
  };

  return {
    name: 'target.postgres',
    kinds: KINDS,
    states,
    async versions(kind, keys) {
      const { name, key } = TABLES[kind as PostgresKind];
      const columns = Object.entries(key);
      const tuple = columns.map(([column]) => column).join(', ');
      const values = keys.flatMap((each) => {
        const identity = parseKey(kind, each) as unknown as Row;
        return columns.map(([, field]) => identity[field]);
      });
      const places = keys.map(
        (_, row) => `(${columns.map((_column, at) => `$${row * columns.length + at + 1}`).join(', ')})`,
      );
      const { rows } = await client.query<Row>(
        `SELECT * FROM ${schema}.${name} WHERE (${tuple}) IN (${places.join(', ')})`,
        values,
      );
      const versions = new Map(rows.map((row) => [keyIn(kind, key, row), Number(row.version)]));
      return keys.map((each) => versions.get(each) ?? null);
    },
    close: () => client.end(),
  };
}

function keyIn(kind: Kind, key: Table['key'], row: Row): string {
  const identity = Object.entries(key).map(([column, field]) => {
    const value = row[column];
    return [field, field === 'action' ? Number(value) : value];
  });
  return keyOf(kind, Object.fromEntries(identity) as never);
}
