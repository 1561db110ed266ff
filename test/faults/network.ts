import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { openKafkaProxy, openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

export const SERVERS = ['kafka', 'neo4j', 'milvus', 'postgres', 'redis'] as const;
export type Server = (typeof SERVERS)[number];

/** A network between our processes and the servers that can be broken, and a configuration that goes through it. */
export interface Network {
  readonly configFile: string;
  readonly to: Readonly<Record<Server, TcpProxy>>;
  close(): Promise<void>;
}

/** Whoever judges goes past it. */
export async function openNetwork(configFile: string, folder: string): Promise<Network> {
  const config = parse(await readFile(configFile, 'utf8'));
  const hostOf = (url: string): string => new URL(url.replace(/^\w+:/, 'http:')).host;
  const kafka = await openKafkaProxy(config.kafka.brokers[0]);
  const neo4j = await openTcpProxy({ target: hostOf(config.target.neo4j.url) });
  const milvus = await openTcpProxy({ target: config.target.milvus.address });
  const postgres = await openTcpProxy({ target: hostOf(config.target.postgres.url) });
  const redis = await openTcpProxy({ target: hostOf(config.legacy.redis.url) });
  const to = { kafka, neo4j, milvus, postgres, redis };

  const through = (url: string, proxy: TcpProxy): string => url.replace(hostOf(url), proxy.address);
  config.kafka.brokers = [kafka.address];
  config.legacy.neo4j.url = through(config.legacy.neo4j.url, neo4j);
  config.target.neo4j.url = through(config.target.neo4j.url, neo4j);
  config.target.milvus.address = milvus.address;
  config.target.postgres.url = through(config.target.postgres.url, postgres);
  config.legacy.redis.url = through(config.legacy.redis.url, redis);
  const file = join(folder, 'changeover-through-proxies.yaml');
  await writeFile(file, stringify(config), { mode: 0o600 });
  return {
    configFile: file,
    to,
    close: async () => {
      await Promise.all(Object.values(to).map((proxy) => proxy.close()));
    },
  };
}
