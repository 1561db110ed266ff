import type { Connector } from '../connectors/connector.ts';
import { dictionaryConnector } from '../connectors/dictionary/connector.ts';
import { milvusConnector } from '../connectors/milvus/connector.ts';
import { neo4jConnector } from '../connectors/neo4j/connector.ts';
import { postgresConnector } from '../connectors/postgres/connector.ts';
import { redisConnector } from '../connectors/redis/connector.ts';

/** Every store that Changeover can move from or to: adding one costs its folder and its line here. */
export const CONNECTORS: readonly Connector[] = [
  dictionaryConnector,
  neo4jConnector,
  redisConnector,
  milvusConnector,
  postgresConnector,
];
