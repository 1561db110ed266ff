import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Kafka, type KafkaConfig, type logCreator, logLevel, type SASLOptions } from 'kafkajs';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { readSecret } from '../../core/secret.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import type { KafkaOptions } from './options.ts';
import { lookOnlyWhileRequestsWait } from './request-queue.ts';
import { Sockets } from './sockets.ts';

/** What is common to the consumers, producers and admins of kafkajs. */
interface Connectable {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

/** One kafkajs client with connections of its own. */
export interface Client<C extends Connectable> {
  readonly connected: C;
  readonly sockets: Sockets;
  /** Ends in bounded time, or in this; after it the client sends nothing, whatever it may have begun. */
  close(ms?: number): Promise<void>;
}

/** Makes clients by the configuration, each with connections of its own. */
export interface Clients {
  /** The brokers, for messages to people. */
  readonly address: string;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  /** Throws one of our errors when it cannot connect in time. */
  connect<C extends Connectable>(doing: string, make: (kafka: Kafka) => C, ms?: number): Promise<Client<C>>;
}

/** How long one connection may take to be made. Several are tried within `openTimeoutMs`. */
const CONNECTION_TIMEOUT_MS = 3_000;

/**
 * What the client tries by itself before it reports: about 2.5 s. Short, because everything that lives longer has a
 * loop of ours around it, which logs, backs off and can be stopped; the client's loops do none of these.
 */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 } as const;

export async function prepareClients(options: KafkaOptions, logger: Logger, clock: Clock): Promise<Clients> {
  lookOnlyWhileRequestsWait();
  const { requestTimeoutMs, closeTimeoutMs } = options;
  const address = options.brokers.join(', ');
  const config = await configOf(options, logger);
  return {
    address,
    clock,
    requestTimeoutMs,
    async connect(doing, make, ms = requestTimeoutMs) {
      const sockets = new Sockets();
      const connected = make(new Kafka({ ...config, socketFactory: sockets.factory }));
      const close = async (ms = closeTimeoutMs): Promise<void> => {
        await within({ clock, ms }, connected.disconnect(), () => {}).catch(() => {});
        sockets.fence();
      };
      try {
        await within({ clock, ms }, connected.connect(), () => {
          throw silence(address, ms);
        });
      } catch (error) {
        sockets.fence();
        throw kafkaError(error, doing, address);
      }
      return { connected, sockets, close };
    },
  };
}

function silence(address: string, ms: number): ChangeoverError {
  return new ChangeoverError('unreachable', `No answer from Kafka at ${address} within ${ms} ms.`, {
    hint: 'Check that this is the address of a Kafka broker, and whether it expects TLS (kafka.ssl).',
  });
}

async function configOf(options: KafkaOptions, logger: Logger): Promise<KafkaConfig> {
  const sasl = await saslOf(options);
  return {
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
