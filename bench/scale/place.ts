import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { stringify } from 'yaml';
import { stackConfig } from '../../cli/work/stack-config.ts';
import type { KafkaAddress, PostgresAddress } from '../../stack/addresses.ts';

/** As many processes can share them. */
export const PARTITIONS = 12;
export const GROUP = 'target.postgres';

export interface ScaleAddresses {
  readonly kafka: KafkaAddress;
  readonly postgres: PostgresAddress;
}

/** Topics, a group and a schema of its own for one measurement. */
export interface Place {
  readonly prefix: string;
  readonly schema: string;
  readonly configFile: string;
}

export async function makePlace(
  addresses: ScaleAddresses,
  dir: string,
  name: string,
  sessionTimeoutMs: number,
): Promise<Place> {
  const { kafka, postgres } = addresses;
  const config = stackConfig(dir, { kafka, postgres });
  const place = { prefix: `scale-${name}`, schema: `scale_${name}` };
  const configFile = join(dir, `scale-${name}.yaml`);
  const text = stringify({
    ...config,
    prefix: place.prefix,
    kafka: { brokers: kafka.brokers, partitions: PARTITIONS, sessionTimeoutMs },
    target: { postgres: { ...(config.target as { postgres: object }).postgres, schema: place.schema } },
    followers: { postgres: ['agent'] },
  });
  await writeFile(configFile, text, { mode: 0o600 });
  return { ...place, configFile };
}

export async function withPostgres<T>(
  { url }: PostgresAddress,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
