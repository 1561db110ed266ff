import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { Redis } from 'ioredis';
import neo4j, { type Session } from 'neo4j-driver';
import pg from 'pg';
import type { BenchStack } from '../bench-stack.ts';
import type { Application, Origin } from './application.ts';

const KEYS = 200;
const DIMENSION = 384;

/** One way from an application's write to a target store. */
export interface Way {
  readonly what: string;
  readonly origin: Origin;
  /** Writes the token under one of the keys; resolves when the application may go on. */
  write(application: Application, token: number): Promise<unknown>;
  /** Tokens that are in the target now and are greater than the given one, as far as it is cheap. */
  look(after: number): Promise<readonly number[]>;
  /** How long the target's own read takes, where that is most of it. */
  readOnce?(): Promise<unknown>;
}

export interface Ways extends AsyncDisposable {
  readonly all: readonly Way[];
}

export async function openWays(addresses: BenchStack): Promise<Ways> {
  const redis = new Redis(addresses.redis.url, { password: addresses.redis.password });
  const postgres = new pg.Client({ connectionString: addresses.postgres.url });
  await postgres.connect();
  const { url, user, password } = addresses.neo4j;
  const driver = neo4j.driver(url, neo4j.auth.basic(user, password));
  const reading = driver.session();
  const milvus = new MilvusClient({ address: addresses.milvus.address });
  const dictionary = { origin: 'dictionary', write: setAgent } as const;
  return {
    all: [
      {
        what: 'Redis (intercepted HSET) → Postgres',
        origin: 'redis',
        write: ({ intercepted }, token) =>
          intercepted(redis).hset(
            `rl:q:a${token % KEYS}`,
            's|1',
            JSON.stringify({ value: token, visits: 1 }),
          ),
        look: (after) => tokensIn(postgres, 'SELECT value AS token FROM changeover.q_values', after),
      },
      {
        what: 'dictionary (observed set) → Postgres',
        ...dictionary,
        look: (after) =>
          tokensIn(postgres, "SELECT (attributes->>'token')::bigint AS token FROM changeover.agents", after),
      },
      { what: 'dictionary (observed set) → Neo4j', ...dictionary, look: (after) => agentsIn(reading, after) },
      {
        what: 'Neo4j (Cypher, trigger) → Milvus',
        origin: 'neo4j',
        write: (_, token) =>
          driver.executeQuery(
            `MERGE (m:Memory {id: $id}) SET m.agentId = $id, m.model = 'bench', m.token = $token, m.embedding = $vector`,
            { id: `m${token % KEYS}`, token, vector: unitVector(token) },
          ),
        look: async () =>
          (await strongRead(milvus)).map(({ metadata }) =>
            Number((metadata as { token?: number }).token ?? 0),
          ),
        readOnce: () => strongRead(milvus),
      },
    ],
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await reading.close();
      await Promise.all([postgres.end(), driver.close(), milvus.closeConnection()]);
    },
  };
}

function setAgent({ dictionary }: Application, token: number): Promise<unknown> {
  return dictionary().set(`a${token % KEYS}`, {
    id: `a${token % KEYS}`,
    type: 'citizen',
    active: true,
    attributes: { name: `Name ${token}`, token },
    memory: { friends: [] },
  });
}

async function tokensIn(postgres: pg.Client, select: string, after: number): Promise<readonly number[]> {
  const { rows } = await postgres.query(`SELECT token FROM (${select}) AS seen WHERE token > $1`, [after]);
  return rows.map(({ token }) => Number(token));
}

async function agentsIn(session: Session, after: number): Promise<readonly number[]> {
  const { records } = await session.run('MATCH (n:Agent) WHERE n.token > $after RETURN n.token AS token', {
    after,
  });
  return records.map((record) => Number(record.get('token')));
}

async function strongRead(milvus: MilvusClient): Promise<readonly Record<string, unknown>[]> {
  const { data } = await milvus.query({
    collection_name: 'agent_memories',
    filter: 'version > 0',
    output_fields: ['metadata'],
    consistency_level: 'Strong' as never,
    limit: 1_000,
  });
  return data;
}

function unitVector(seed: number): readonly number[] {
  const raw = Array.from({ length: DIMENSION }, (_, index) => Math.sin((seed % 1_000) + index * 1.7));
  const norm = Math.hypot(...raw);
  return raw.map((component) => component / norm);
}
