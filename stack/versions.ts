/** The one place where the versions of the stack are pinned; `docker-compose.yml` must name the same ones. */
export const VERSIONS = {
  kafka: '4.2.2',
  neo4j: '5.26.30',
  /** APOC core for this Neo4j: its own patch number, the same minor version. */
  apoc: '5.26.19',
  milvus: '2.3.5',
  /** Used when no PostgreSQL is installed; an installed one may be older, see `OLDEST`. */
  postgres: '18.4',
  /** What npm calls the packaged binaries of `postgres`. */
  postgresPackage: '18.4.0-beta.17',
  /** Of Debian 12; an installed one, or that of another release, may differ, see `OLDEST`. */
  redis: '7.0.15',
  /** Routes Kafka's slf4j calls to the log4j 2 that it brings along. */
  slf4jBinding: '2.25.5',
  mavenDependencyPlugin: '3.8.1',
} as const;

/** The oldest major versions that are accepted when a program is installed already. */
export const OLDEST = { java: 17, postgres: 14, redis: 6 } as const;
