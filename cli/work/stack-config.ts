import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { StackAddresses } from '../../stack/addresses.ts';

/** The legacy and the target graph share one database unless there is a second instance: other labels keep them apart. */
export const LEGACY_LABELS = { agent: 'LegacyAgent', memory: 'Memory' };

/**
 * A configuration in which the servers of a stack are both ends: a society in a dictionary file, Neo4j and Redis moves
 * into Neo4j, Milvus and Postgres.
 */
export function stackConfig(dir: string, addresses: Partial<StackAddresses>): Record<string, unknown> {
  const { kafka, neo4j, milvus, postgres, redis } = addresses;
  const legacyNeo4j = addresses['neo4j-legacy'] ?? neo4j;
  return {
    ...(kafka && { kafka: { brokers: kafka.brokers } }),
    legacy: {
      dictionary: { file: join(dir, 'society.json') },
      ...(legacyNeo4j && { neo4j: { ...legacyNeo4j, labels: LEGACY_LABELS } }),
      ...(redis && { redis: { url: `redis://${redis.host}:${redis.port}/0`, password: redis.password } }),
    },
    target: {
      ...(neo4j && { neo4j }),
      ...(milvus && { milvus: { address: milvus.address } }),
      ...(postgres && {
        postgres: {
          host: postgres.host,
          port: postgres.port,
          user: postgres.user,
          password: postgres.password,
          database: postgres.database,
        },
      }),
    },
    origins: {
      agent: 'dictionary',
      relationship: 'dictionary',
      ...(legacyNeo4j && { embedding: 'neo4j' }),
      ...(redis && { experience: 'redis', 'q-value': 'redis', policy: 'redis' }),
    },
  };
}

/** Writes the configuration into the stack's folder, readable by its owner alone because it holds passwords. */
export async function writeStackConfig(dir: string, addresses: Partial<StackAddresses>): Promise<string> {
  const file = join(dir, 'changeover.yaml');
  const text = `# Written by \`changeover stack up\` at each start; it holds passwords.\n${stringify(stackConfig(dir, addresses))}`;
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
  return file;
}
