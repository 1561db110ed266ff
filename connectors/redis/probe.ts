import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Probe, ProbeResult, StoreContext } from '../connector.ts';
import type { RedisClient, ServerInfo, ServerPart } from './client/client.ts';
import { infoIn } from './client/server-info.ts';
import { toRedisError } from './errors.ts';
import { keyFor } from './key-patterns.ts';
import type { Layout } from './layout.ts';
import { findConflict } from './schema.ts';

interface ProbeOptions {
  readonly client: RedisClient;
  readonly layout: Layout;
  readonly context: Pick<StoreContext, 'name' | 'role'>;
}

/** One of the servers that hold the keys, and what it says of itself. */
interface Looked {
  readonly server: ServerPart;
  readonly info: ServerInfo;
}

type Look = (options: ProbeOptions, looked: Looked) => Promise<Omit<ProbeResult, 'check'>>;

export function openProbe(options: ProbeOptions): Probe {
  return {
    async check() {
      try {
        const servers = await Promise.all(
          options.client.parts().map(async (server) => ({
            server,
            info: infoIn(await server.call((redis) => redis.info())),
          })),
        );
        return await Promise.all(
          Object.entries(LOOKS).map(([check, look]) => guarded(check, lookAtAll(options, servers, look))),
        );
      } catch (error) {
        return [notOk('reachable', error)];
      }
    },
  };
}

/** What is wrong with one node of a cluster is wrong. */
async function lookAtAll(options: ProbeOptions, servers: readonly Looked[], look: Look): ReturnType<Look> {
  const results = await Promise.all(
    servers.map(async (looked) => ({ looked, result: await look(options, looked) })),
  );
  const wrong = results.find(({ result }) => !result.ok);
  const [first] = results;
  if (first === undefined) throw new Error('There is no server.');
  if (wrong === undefined || servers.length === 1) return (wrong ?? first).result;
  return { ...wrong.result, detail: `${wrong.looked.server.name}: ${wrong.result.detail}` };
}

/** What cannot be looked at is not ok, and says why. */
async function guarded(check: string, looking: ReturnType<Look>): Promise<ProbeResult> {
  try {
    return { check, ...(await looking) };
  } catch (error) {
    return notOk(check, error);
  }
}

function notOk(check: string, error: unknown): ProbeResult {
  const hint = error instanceof ChangeoverError ? error.hint : undefined;
  return { check, ok: false, detail: messageOf(error), ...(hint !== undefined && { fix: hint }) };
}

const LOOKS: Readonly<Record<string, Look>> = {
  reachable: async ({ client }, { info }) => ({
    ok: true,
    detail: `${client.where}, version ${info.get('redis_version')}`,
  }),

  primary: async (_, { info }) => {
    const ok = info.get('role') !== 'slave';
    return {
      ok,
      detail: ok ? 'a primary' : 'a replica',
      ...(!ok && { fix: 'Point the configuration at the primary.' }),
    };
  },

  permissions: async ({ client, layout }) => {
    await tryCommands(client, layout);
    return { ok: true, detail: 'may read and write the keys and run scripts' };
  },

  marks: async ({ client, layout, context }) => {
    const conflict = await findConflict(client, layout, context);
    return conflict === undefined
      ? { ok: true, detail: 'the keys belong to no store of the other role' }
      : { ok: false, detail: conflict.says, fix: conflict.hint };
  },

  durable: async (_, { server, info }) => {
    if (info.get('aof_enabled') !== '1') {
      const fix =
        'CONFIG SET appendonly yes (and in redis.conf): without it a crash loses what was confirmed.';
      return { ok: false, detail: 'append-only file off', fix };
    }
    return syncing(await appendFsync(server));
  },

  writable: async (_, { info }) => {
    const failed = ['aof_last_write_status', 'rdb_last_bgsave_status'].filter(
      (name) => (info.get(name) ?? 'ok') !== 'ok',
    );
    const ok = failed.length === 0;
    return {
      ok,
      detail: ok ? 'the last writes to disk went well' : `${failed.join(' and ')}: err`,
      ...(!ok && { fix: "Free space on the server's data volume, and read its log." }),
    };
  },

  eviction: async (_, { info }) => {
    const policy = info.get('maxmemory_policy') ?? 'noeviction';
    const ok = info.get('maxmemory') === '0' || !policy.startsWith('allkeys');
    return {
      ok,
      detail: `maxmemory-policy ${policy}`,
      ...(!ok && { fix: 'CONFIG SET maxmemory-policy noeviction: this one drops entities without a word.' }),
    };
  },

  memory: async (_, { info }) => {
    const [used, limit] = [Number(info.get('used_memory') ?? 0), Number(info.get('maxmemory') ?? 0)];
    const ok = limit === 0 || used < 0.9 * limit;
    return {
      ok,
      detail:
        limit === 0
          ? `${megabytes(used)} in use, no limit`
          : `${megabytes(used)} of ${megabytes(limit)} in use`,
      ...(!ok && { fix: 'Raise maxmemory, or free memory.' }),
    };
  },
};

/**
 * What a crash takes, by appendfsync. What was confirmed is committed in the log too and does not come again by itself:
 * it is missing until somebody compares the stores.
 */
const CRASHES: Readonly<Record<string, string>> = {
  always: 'what was confirmed is on disk',
  everysec: 'a crash can lose what was confirmed in the last two seconds (always loses nothing)',
  no: 'a crash of the machine loses what was confirmed in the last half minute or more',
};

function syncing(appendfsync: string | undefined): Omit<ProbeResult, 'check'> {
  const crash = appendfsync === undefined ? undefined : CRASHES[appendfsync];
  if (crash === undefined) {
    return { ok: true, detail: 'append-only file on; the server does not say how often it is synced' };
  }
  return {
    ok: appendfsync !== 'no',
    detail: `append-only file on, appendfsync ${appendfsync}: ${crash}`,
    ...(appendfsync === 'no' && { fix: 'CONFIG SET appendfsync everysec, or always (and in redis.conf).' }),
  };
}

/** Undefined where the server does not let us look, as managed ones do not. */
async function appendFsync(server: ServerPart): Promise<string | undefined> {
  try {
    const answer: unknown = await server.call((redis) => redis.call('CONFIG', 'GET', 'appendfsync'));
    return Array.isArray(answer) && answer.length > 1 ? String(answer[1]) : undefined;
  } catch (error) {
    if (error instanceof ChangeoverError && ['forbidden', 'unsupported'].includes(error.code))
      return undefined;
    throw error;
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MB`;
}

/**
 * Rights are checked when a command is queued, so commands that are queued and then discarded tell of missing rights
 * and change nothing.
 */
async function tryCommands(
  client: RedisClient,
  { patterns, versionsKey, clockKey, listedKey, cluster }: Layout,
): Promise<void> {
  const [agent, q, policy, named, list] = [
    patterns.agent,
    patterns.qValues,
    patterns.policy,
    patterns.namedPolicies,
    patterns.experiences,
  ].map((pattern) => keyFor(pattern, 'changeover-probe'));
  const commands = [
    ['hgetall', agent],
    ['hset', agent, 'id', ''],
    ['hset', q, 'a|0', ''],
    ['hdel', named, 'a'],
    ['set', policy, ''],
    ['get', policy],
    ['del', agent],
    ['rpush', list, ''],
    ['lset', list, '0', ''],
    ['lrange', list, '0', '0'],
    ['hset', versionsKey('agent'), 'a', '1'],
    ['set', clockKey, '1'],
    ['sadd', listedKey, 'a'],
    ['scan', '0'],
    ['eval', 'return 1', '0'],
  ];
  // In a cluster each key is in a slot of its own.
  const together = cluster === undefined ? [commands] : commands.map((command) => [command]);
  for (const some of together) {
    const answers = await client.call((redis) =>
      redis.pipeline([['call', 'MULTI'], ...some, ['call', 'DISCARD']]).exec(),
    );
    const refused = answers?.slice(1, -1).find(([error]) => error !== null)?.[0];
    if (refused !== undefined && refused !== null) throw toRedisError(refused, client.where);
  }
}
