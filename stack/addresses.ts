/** Everything that a client needs in order to connect. Every address is on the loopback interface. */

export interface KafkaAddress {
  /** `host:port`, as kafkajs takes them. */
  readonly brokers: readonly string[];
}

export interface Neo4jAddress {
  /** `bolt://host:port` */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface MilvusAddress {
  /** `host:port` of the gRPC service. No authorisation: only the loopback interface reaches it. */
  readonly address: string;
  /** Base of `/healthz` and `/metrics`. */
  readonly metricsUrl: string;
}

export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  /** A superuser, so that tests can create databases of their own. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** The same as `postgres://user:password@host:port/database`. */
  readonly url: string;
}

export interface RedisAddress {
  /** `redis://:password@host:port/0` */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

export interface StackAddresses {
  readonly kafka: KafkaAddress;
  readonly neo4j: Neo4jAddress;
  /** A second instance for the legacy role: Neo4j Community has one database. */
  readonly 'neo4j-legacy': Neo4jAddress;
  readonly milvus: MilvusAddress;
  readonly postgres: PostgresAddress;
  readonly redis: RedisAddress;
}

export type ServiceName = keyof StackAddresses;

export const SERVICE_NAMES = [
  'kafka',
  'neo4j',
  'neo4j-legacy',
  'milvus',
  'postgres',
  'redis',
] as const satisfies readonly ServiceName[];

export const DEFAULT_SERVICES = ['kafka', 'neo4j', 'milvus', 'postgres', 'redis'] as const;
export type DefaultService = (typeof DEFAULT_SERVICES)[number];

export const LOOPBACK = '127.0.0.1';
