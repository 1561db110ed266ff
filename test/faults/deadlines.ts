import { readConfig } from '../../cli/config.ts';
import { milvusOptions } from '../../connectors/milvus/options.ts';
import { neo4jOptions } from '../../connectors/neo4j/options.ts';
import { postgresOptions } from '../../connectors/postgres/options.ts';
import { redisOptions } from '../../connectors/redis/options.ts';
import type { Server } from './network.ts';

/** How long a process of ours waits at least for the answer of a server to which its connection stands, before it gives it up. */
export function deadlineMs(configFile: string, server: Server): number {
  const { kafka, legacy, target } = readConfig(configFile, {});
  switch (server) {
    case 'kafka':
      return kafka.sessionTimeoutMs;
    case 'neo4j':
      return neo4jOptions.parse(target.neo4j).queryTimeoutMs;
    case 'milvus':
      return milvusOptions.parse(target.milvus).timeoutMs;
    case 'postgres':
      return postgresOptions.parse(target.postgres).statementTimeoutMs;
    case 'redis':
      return redisOptions.parse(legacy.redis).commandTimeoutMs;
    default:
      return server satisfies never;
  }
}
