import type { StackAddresses } from '../../stack/addresses.ts';

/** What can be tried on a demo that was left running. */
export function whereToLook(
  { kafka, neo4j, milvus, postgres, redis }: Partial<StackAddresses>,
  configFile: string,
  dir: string,
): string {
  return [
    '',
    'The servers are still up:',
    `  Neo4j     ${neo4j?.url}  user ${neo4j?.user}; try  MATCH (a:Agent)-[r:KNOWS]->(b:Agent) RETURN a.name, r.strength, b.name LIMIT 10`,
    `  Postgres  ${postgres?.host}:${postgres?.port}/${postgres?.database}  user ${postgres?.user}; try  SELECT * FROM changeover.q_values LIMIT 10`,
    `  Milvus    ${milvus?.address}  collection agent_memories`,
    `  Redis     ${redis?.host}:${redis?.port}`,
    `  Kafka     ${kafka?.brokers.join(',')}  topics changeover.*`,
    '',
    `The passwords are in ${configFile}, which also works as a configuration:`,
    `  changeover --config ${configFile} validate`,
    `  changeover --config ${configFile} backfill --dry-run`,
    `  changeover stack status --dir ${dir}`,
    `  changeover stack reset --dir ${dir}      stops everything and deletes it`,
  ].join('\n');
}
