import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Kafka, type KafkaConfig, type logCreator, logLevel, type SASLOptions } from 'kafkajs';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { readSecret } from '../../core/secret.ts';
import type { KafkaOptions } from './options.ts';

/** How long one connection may take to be made. Several are tried within `openTimeoutMs`. */
const CONNECTION_TIMEOUT_MS = 3_000;

/**
 * What the client tries by itself before it reports: about 2.5 s. Short, because everything that lives longer has a
 * loop of ours around it, which logs, backs off and can be stopped; the client's loops do none of these.
 */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 } as const;

export async function createClient(options: KafkaOptions, logger: Logger): Promise<Kafka> {
  swallowNegativeTimeoutWarning();
  const sasl = await saslOf(options);
  const config: KafkaConfig = {
    clientId: options.clientId,
    brokers: [...options.brokers],
    connectionTimeout: Math.min(CONNECTION_TIMEOUT_MS, options.openTimeoutMs),
    requestTimeout: options.requestTimeoutMs,
    retry: RETRY,
    logLevel: logLevel.INFO,
    logCreator: logCreatorOf(logger),
    ssl: options.ssl ? tlsOf(options) : false,
    ...(sasl === undefined ? {} : { sasl }),
  };
  return new Kafka(config);
}

/**
 * The client's log goes to ours as debugging detail, whatever level it claims: it calls every passing disturbance an
 * error, and what does not pass reaches us as an error that we report ourselves, once.
 */
function logCreatorOf(logger: Logger): logCreator {
  return () =>
    ({ namespace, log: { message, timestamp: _timestamp, logger: _logger, ...fields } }) => {
      logger.debug({ ...fields, client: `kafkajs ${namespace}` }, message);
    };
}

function tlsOf(options: KafkaOptions): ConnectionOptions {
  return {
    rejectUnauthorized: options.sslVerify,
    ...(options.sslCaFile === undefined ? {} : { ca: pem('sslCaFile', options.sslCaFile) }),
    ...(options.sslCertFile === undefined ? {} : { cert: pem('sslCertFile', options.sslCertFile) }),
    ...(options.sslKeyFile === undefined ? {} : { key: pem('sslKeyFile', options.sslKeyFile) }),
  };
}

function pem(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ChangeoverError('config', `Cannot read kafka.${option}: ${messageOf(error)}`, { cause: error });
  }
}

async function saslOf(options: KafkaOptions): Promise<SASLOptions | undefined> {
  const { saslMechanism: mechanism, user: username } = options;
  if (mechanism === 'none') return undefined;
  const password = await readSecret(options);
  if (username === undefined || password === undefined) {
    throw new ChangeoverError('config', `kafka.saslMechanism ${mechanism} needs a user and a password.`, {
      hint: 'Set kafka.user, and kafka.password or kafka.passwordFile.',
    });
  }
  return { mechanism, username, password } as SASLOptions;
}

/**
 * kafkajs 2.2.4 sets timers of negative length (network/requestQueue), which do no harm, and of which Node warns once
 * in the life of a process. This takes that one warning on itself, and leaves every other warning alone.
 */
function swallowNegativeTimeoutWarning(): void {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    clearTimeout(setTimeout(() => {}, -1));
  } finally {
    process.emitWarning = emitWarning;
  }
}
