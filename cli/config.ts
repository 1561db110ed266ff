import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { Connector, Role } from '../connectors/connector.ts';
import { deadLetterOptions } from '../consumers/dead-letters/options.ts';
import { loadConfig } from '../core/config.ts';
import { LOG_LEVELS } from '../core/logger.ts';
import { kafkaOptions } from '../log/kafka/options.ts';
import { shimOptions } from '../producers/shim/options.ts';
import { KINDS } from '../schemas/kinds.ts';
import { ingestOptions, serverOptions } from '../server/options.ts';
import { backfillOptions, lagOptions, relayOptions, runOptions, validateOptions } from './command-options.ts';
import { CONNECTORS } from './connectors.ts';

export const ENV_PREFIX = 'CHANGEOVER';
export const DEFAULT_CONFIG_FILE = 'changeover.yaml';

/** Variables with our prefix that are no options. */
const OTHER_ENV = [
  `${ENV_PREFIX}_CONFIG`,
  `${ENV_PREFIX}_DEBUG`,
  // docker-compose.yml; whoever exports it for the servers runs the commands in the same shell.
  `${ENV_PREFIX}_PASSWORD`,
  // scripts/test.ts, and the mark of what the local stack has started.
  `${ENV_PREFIX}_TEST_STACK`,
  `${ENV_PREFIX}_STACK_PID_FILE`,
  // Kubernetes puts these into every pod beside a service called changeover or changeover-kafka.
  // https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
  /^[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=/,
  /^[A-Z0-9_]+_PORT=(tcp|udp|sctp):\/\//,
];

function connectorsFor(role: Role): readonly Connector[] {
  return CONNECTORS.filter((connector) => connector.kinds[role].length > 0);
}

/** A section for each store that can have the role; a store is used when its section is there. */
function storeSections(role: Role) {
  const sections = connectorsFor(role).map(
    (connector) => [connector.name, connector.options.optional()] as const,
  );
  return z.object(Object.fromEntries(sections)).prefault({});
}

function originOptions() {
  const options = KINDS.map((kind) => {
    const holders = connectorsFor('legacy').filter((connector) => connector.kinds.legacy.includes(kind));
    const names = holders.map((connector) => connector.name);
    const option = z
      .enum([...names, 'none'])
      .optional()
      .describe(
        `legacy store in which ${kind} is written first; by default the only configured one that can hold it`,
      );
    return [kind, option] as const;
  });
  return z.object(Object.fromEntries(options)).prefault({});
}

function followerOptions() {
  const options = connectorsFor('target').map((connector) => {
    const option = z
      .array(z.enum(connector.kinds.target))
      .min(1)
      .optional()
      .describe(`kinds that target.${connector.name} follows; by default all that it can hold`);
    return [connector.name, option] as const;
  });
  return z.object(Object.fromEntries(options)).prefault({});
}

/** Everything that can be configured. docs/configuration.md is generated from it. */
export const configSchema = z.object({
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be 1 to 100 letters, digits, dots, dashes or underscores')
    .default('changeover')
    .describe('first part of the name of every topic and consumer group'),
  kafka: kafkaOptions.prefault({}),
  legacy: storeSections('legacy'),
  target: storeSections('target'),
  origins: originOptions(),
  followers: followerOptions(),
  backfill: backfillOptions.prefault({}),
  run: runOptions.prefault({}),
  lag: lagOptions.prefault({}),
  deadLetters: deadLetterOptions.prefault({}),
  relay: relayOptions.prefault({}),
  shim: shimOptions.prefault({}),
  ingest: ingestOptions.prefault({}),
  server: serverOptions.prefault({}),
  validate: validateOptions.prefault({}),
  log: z
    .object({
      level: z.enum(LOG_LEVELS).default('warn').describe('what is written to standard error, as JSON lines'),
    })
    .prefault({}),
});

export type Config = z.infer<typeof configSchema>;

/** Reads the named file, else changeover.yaml where there is one, else the environment alone. */
export function readConfig(file: string | undefined, env: NodeJS.ProcessEnv): Config {
  const named = file ?? env[`${ENV_PREFIX}_CONFIG`];
  const chosen = named ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined);
  return loadConfig(configSchema, { file: chosen, env, envPrefix: ENV_PREFIX, otherEnv: OTHER_ENV });
}
