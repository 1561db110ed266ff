import { type ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Probe, ProbeResult, StoreContext } from '../connector.ts';
import type { PostgresClient } from './client.ts';
import { MIGRATIONS } from './migrations.ts';
import { readSchemaState } from './schema.ts';

interface ProbeOptions {
  readonly client: PostgresClient;
  readonly schema: string;
  readonly context: StoreContext;
}

type Look = (options: ProbeOptions) => Promise<ProbeResult>;

export function openProbe(options: ProbeOptions): Probe {
  return {
    check: () => Promise.all(Object.entries(LOOKS).map(([check, look]) => guarded(check, look(options)))),
  };
}

/** What cannot be looked at is not ok, and says why. */
async function guarded(check: string, looking: Promise<ProbeResult>): Promise<ProbeResult> {
  try {
    return await looking;
  } catch (error) {
    const { hint } = error as Partial<ChangeoverError>;
    return { check, ok: false, detail: messageOf(error), ...(hint !== undefined && { fix: hint }) };
  }
}

const LOOKS: Readonly<Record<string, Look>> = {
  reachable: async ({ client }) => {
    const [row] = await client.query<[string]>(`SELECT current_setting('server_version')`);
    return { check: 'reachable', ok: true, detail: `${client.where}, version ${row?.[0]}` };
  },

  writable: async ({ client }) => {
    const [row] = await client.query<[string]>(`SELECT current_setting('transaction_read_only')`);
    const ok = row?.[0] === 'off';
    return {
      check: 'writable',
      ok,
      detail: ok ? 'a primary' : 'read-only',
      ...(!ok && { fix: 'Point the configuration at the primary.' }),
    };
  },

  permissions: async ({ client, schema }) => {
    const [row] = await client.query<[boolean, boolean | null, string]>(
      `SELECT has_database_privilege(current_database(), 'CREATE'),
         (SELECT has_schema_privilege(oid, 'USAGE, CREATE') FROM pg_namespace WHERE nspname = $1), current_user`,
      [schema],
    );
    const [inDatabase = false, inSchema = null, user = ''] = row ?? [];
    const ok = inSchema ?? inDatabase;
    const right =
      inSchema === null ? `create the schema ${schema}` : `use and create in the schema ${schema}`;
    return {
      check: 'permissions',
      ok,
      detail: `${user} may ${ok ? '' : 'not '}${right}`,
      ...(!ok && { fix: `GRANT ${user} the right, or let the schema's owner run Changeover.` }),
    };
  },

  schema: async ({ client, schema, context }) => {
    const state = await readSchemaState(client, schema);
    if (state === undefined) return { check: 'schema', ok: true, detail: `${schema} is yet to be made` };
    const { mark, migrations } = state;
    if (mark !== undefined && mark.role !== context.role) {
      return {
        check: 'schema',
        ok: false,
        detail: `${schema} belongs to ${mark.name}, a ${mark.role} store`,
        fix: 'Give the two stores different schemas or databases.',
      };
    }
    const missing = MIGRATIONS.filter(({ number }) => !migrations.has(number)).length;
    const detail =
      missing === 0 ? `${schema} is up to date` : `${schema} lacks ${missing} steps, made by prepare`;
    return { check: 'schema', ok: true, detail };
  },

  durable: async ({ client }) => {
    const [row] = await client.query<[string, string]>(
      `SELECT current_setting('fsync'), current_setting('full_page_writes')`,
    );
    const ok = row?.[0] === 'on' && row[1] === 'on';
    return {
      check: 'durable',
      ok,
      detail: `fsync ${row?.[0]}, full_page_writes ${row?.[1]}`,
      ...(!ok && { fix: 'Turn on fsync and full_page_writes: a crash loses what was confirmed.' }),
    };
  },
};
