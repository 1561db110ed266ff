import { Redis } from 'ioredis';
import type { Clock } from '../../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Closable } from '../../../core/service.ts';
import { toRedisError } from '../errors.ts';
import type { RedisOptions } from '../options.ts';
import { sayGoodbye, tryCall, waitingConnection } from './connection.ts';
import type { Script } from './script.ts';
import { evaluate, evaluateOnce } from './script-calls.ts';
import { checkServer, infoIn, type ServerInfo } from './server-info.ts';
import { readTarget, type Target } from './target.ts';

export type { ServerInfo };

/** A command of which the first word is its key. */
export type PlainCommand = readonly [method: string, key: string, ...words: (string | number)[]];

/** What was said to one of several commands. */
export type Answer = readonly [error: Error | null, answer: unknown];

/** A server that holds a part of the keys. */
export interface ServerPart {
  /** `host:port` */
  readonly name: string;
  call<T>(work: (redis: Redis) => Promise<T>): Promise<T>;
}

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
  /** Sends commands in one go to each server, and reads each answer. They stand in no order to each other but that of one key. */
  batch<T>(commands: readonly PlainCommand[], read: (answer: Answer) => T): Promise<readonly T[]>;
  /** The servers that hold the keys, for what has no key. One, but in a cluster. */
  parts(): readonly ServerPart[];
  info(): Promise<ServerInfo>;
}

/** What capture needs beside it. */
export interface CapturingClient extends RedisClient {
  /**
   * Like `run`, but tried again only where the server has certainly not begun: for what is not harmless when done twice.
   * Where the connection broke meanwhile, nobody knows.
   */
  runOnce(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>;
}

/** To one server. */
export interface SingleClient extends CapturingClient {
  /** A client of its own to the same server, for a command that blocks the connection. Not connected yet. */
  separate(): Redis;
}

interface ClientContext {
  readonly logger: Logger;
  readonly clock: Clock;
}

const RECONNECT_MAX_MS = 1_000;
/** The socket goes after the command has been given up, so that the command's error says what happened. */
const SOCKET_GRACE_MS = 1_000;

export async function openServer(options: RedisOptions, context: ClientContext): Promise<SingleClient> {
  const target = await readTarget(options);
  const client = new Client(options, target, context);
  try {
    await client.connect();
    checkServer(await client.info(), client.where, false);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

class Client implements SingleClient {
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

  call<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    return tryCall(() => work(this.#redis), {
      attempts: this.#attempts,
      clock: this.#context.clock,
      explain: (error) => this.#explain(error),
    });
  }

  #explain(error: unknown): ChangeoverError {
    if (this.#closed)
      return new ChangeoverError('aborted', `The connection to Redis at ${this.where} was closed.`);
    const explained = toRedisError(error, this.where);
    if (explained.code !== 'unreachable' || this.#trouble === undefined) return explained;
    return toRedisError(this.#trouble, this.where);
  }

  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.call((redis) => evaluate(redis, script, keys, args));
  }

  async runOnce(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const once = await this.call((redis) => evaluateOnce(redis, script, keys, args));
    if ('answer' in once) return once.answer;
    throw this.#explain(once.gaveUp);
  }

  batch<T>(commands: readonly PlainCommand[], read: (answer: Answer) => T): Promise<readonly T[]> {
    return this.call(async (redis) => {
      const batch = commands.map((command) => [...command]);
      return ((await redis.pipeline(batch).exec()) ?? []).map(read);
    });
  }

  parts(): readonly ServerPart[] {
    return [{ name: this.where, call: (work) => this.call(work) }];
  }

  separate(): Redis {
    return waitingConnection(this.#redis);
  }

  async info(): Promise<ServerInfo> {
    return infoIn(await this.call((redis) => redis.info()));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reconnects = false;
    await sayGoodbye(this.#redis, this.#context.clock);
  }
}
