import type { ServiceName } from './addresses.ts';
import { kafka } from './kafka.ts';
import { milvus } from './milvus.ts';
import { neo4jService } from './neo4j.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import type { StackService } from './service.ts';

export const SERVICES: { readonly [Name in ServiceName]: StackService<Name> } = {
  kafka,
  neo4j: neo4jService('neo4j'),
  'neo4j-legacy': neo4jService('neo4j-legacy'),
  milvus,
  postgres,
  redis,
};
