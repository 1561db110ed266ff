import { Redis } from 'ioredis';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import type { Closable } from '../../core/service.ts';
import { isUnknownScript, toRedisError } from './errors.ts';
import type { RedisOptions } from './options.ts';
import type { Script } from './script.ts';
import { readTarget, type Target } from './target.ts';

/** What the server says in INFO: `redis_version` and the like. */
export type ServerInfo = ReadonlyMap<string, string>;

/**
 * The one door to the server: every call has a deadline, is tried again a few times while the server is away (so what is
 * called must be harmless when done twice), and throws nothing but our errors.
 */
export interface RedisClient extends Closable {
  /** `host:port/db`, for messages. */
  readonly where: string;
  call<T>(work: (redis: Redis) => Promise<T>): Promise<T>;
  /** Runs a script. Texts in its answer are Buffers. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  info(): Promise<ServerInfo>;
}

interface ClientContext {
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Older ones are no longer maintained, and refuse scripts' rights differently. */
const OLDEST_VERSION: readonly [major: number, minor: number] = [6, 2];
const RECONNECT_MAX_MS = 1_000;
/** The socket goes after the command has been given up, so that the command's error says what happened. */
const SOCKET_GRACE_MS = 1_000;
const CLOSE_WITHIN_MS = 2_000;

export async function openRedis(options: RedisOptions, context: ClientContext): Promise<RedisClient> {
  const target = await readTarget(options);
  const client = new Client(options, target, context);
  try {
    await client.connect();
    checkServer(await client.info(), client.where);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

class Client implements RedisClient {
  readonly where: string;
  readonly #redis: Redis;
  readonly #context: ClientContext;
  readonly #attempts: number;
  /** Whether a connection that breaks is made again by itself; not before the first one stood. */
  #reconnects = false;
  #closed = false;
  /** What the client said last of its connection: a call that fails because there is none does not know why. */
  #trouble: unknown;
  /** A database that is not there is no reason for ioredis not to go on, in database 0. */
  #selectFailed = false;

  constructor(options: RedisOptions, target: Target, context: ClientContext) {
    this.where = `${target.host}:${target.port}/${target.db}`;
    this.#context = context;
    this.#attempts = options.attempts;
    this.#redis = new Redis({
      ...target,
      lazyConnect: true,
      protocol: 2,
      connectionName: 'changeover',
      disableClientInfo: true,
      connectTimeout: options.connectTimeoutMs,
      commandTimeout: options.commandTimeoutMs,
      // Without it a connection whose peer has vanished stays for many minutes.
      socketTimeout: options.commandTimeoutMs + SOCKET_GRACE_MS,
      keepAlive: 10_000,
      // The queue for a connection to come has no bound; we try again by ourselves.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // It would hide why a server is not ready; the first command finds out.
      enableReadyCheck: false,
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
      retryStrategy: (times) => (this.#reconnects ? Math.min(20 * 2 ** times, RECONNECT_MAX_MS) : null),
    });
    // Without a listener ioredis writes to the console.
    this.#redis.on('error', (error: Error) => this.#noteTrouble(error));
    this.#redis.on('ready', () => {
      if (!this.#selectFailed) this.#trouble = undefined;
    });
  }

  async connect(): Promise<void> {
    try {
      await this.#redis.connect();
      if (this.#selectFailed) throw this.#trouble;
      this.#reconnects = true;
    } catch (error) {
      throw toRedisError(this.#trouble ?? error, this.where);
    }
  }

  #noteTrouble(error: Error & { command?: { name?: string } }): void {
    this.#trouble = error;
    this.#selectFailed = error.command?.name === 'select';
    if (this.#closed || !this.#reconnects) return;
    this.#context.logger.warn(
      { where: this.where, reason: messageOf(error) },
      'the connection to Redis broke',
    );
    if (this.#selectFailed) this.#redis.disconnect(true);
  }

  async call<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    return retry(
      async () => {
        try {
          return await work(this.#redis);
        } catch (error) {
          throw this.#explain(error);
        }
      },
      { policy: { attempts: this.#attempts, maxDelayMs: 1_000 }, clock: this.#context.clock },
    );
  }

  #explain(error: unknown): ChangeoverError {
    if (this.#closed)
      return new ChangeoverError('aborted', `The connection to Redis at ${this.where} was closed.`);
    const explained = toRedisError(error, this.where);
    if (explained.code !== 'unreachable' || this.#trouble === undefined) return explained;
    return toRedisError(this.#trouble, this.where);
  }

  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    return this.call(async (redis) => {
      try {
        return await redis.callBuffer('evalsha', [script.sha1, ...rest]);
      } catch (error) {
        // The server has been restarted, or never saw it.
        if (!isUnknownScript(error)) throw error;
        return await redis.callBuffer('eval', [script.lua, ...rest]);
      }
    });
  }

  async info(): Promise<ServerInfo> {
    const text = await this.call((redis) => redis.info());
    const lines = text.split('\r\n').filter((line) => line.includes(':'));
    return new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
    );
  }

  /** Lets what is under way be answered first, but not for ever: a peer that has vanished never answers. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reconnects = false;
    if (this.#redis.status === 'ready') {
      const goodbye = this.#redis.quit().catch(() => undefined);
      const tooLong = new AbortController();
      const timeout = this.#context.clock.sleep(CLOSE_WITHIN_MS, tooLong.signal).catch(() => undefined);
      await Promise.race([goodbye, timeout]);
      tooLong.abort();
    }
    this.#redis.disconnect();
  }
}

function checkServer(info: ServerInfo, where: string): void {
  const version = info.get('redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_VERSION;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw new ChangeoverError('unsupported', `Redis at ${where} is version ${version}.`, {
      hint: `Use Redis ${OLDEST_VERSION.join('.')} or newer.`,
    });
  }
  if (info.get('redis_mode') === 'cluster') {
    throw new ChangeoverError('unsupported', `Redis at ${where} is a node of a Redis Cluster.`, {
      hint: 'Use a single primary with replicas: what belongs together must be written in one step.',
    });
  }
}
