import { Cluster, type Redis } from 'ioredis';
import type { Clock } from '../../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { toRedisError } from '../errors.ts';
import type { RedisOptions } from '../options.ts';
import type { Answer, CapturingClient, PlainCommand, ServerPart } from './client.ts';
import { batchByNode } from './cluster-batch.ts';
import { nameOf } from './cluster-nodes.ts';
import { sayGoodbye, tryCall, waitingConnection } from './connection.ts';
import type { Script } from './script.ts';
import { evaluate, evaluateOnce } from './script-calls.ts';
import { checkServer, infoIn, type ServerInfo } from './server-info.ts';
import { readTarget, type Target } from './target.ts';

interface ClientContext {
  readonly logger: Logger;
  readonly clock: Clock;
}

const RECONNECT_MAX_MS = 1_000;
/** How often ioredis asks which node serves which slots, beside when one tells it that it does not. */
const LOOK_FOR_SLOTS_MS = 5_000;

/** One of the cluster's primaries. */
export interface ClusterNode extends ServerPart {
  /** Those that it serves, as far as is known. */
  readonly slots: readonly number[];
  /** The connection itself, for what is not to be tried again. */
  readonly redis: Redis;
  /** A client of its own to it, for a question that it answers again and again. Not connected yet. */
  separate(): Redis;
}

/** The door to a Redis Cluster: ioredis' own client for it finds the node of a key, also when that moves or fails. */
export class ClusterClient implements CapturingClient {
  readonly where: string;
  readonly #redis: Cluster;
  readonly #context: ClientContext;
  readonly #attempts: number;
  #reconnects = false;
  #closed = false;
  #trouble: unknown;

  static async open(options: RedisOptions, seeds: readonly string[], context: ClientContext) {
    const client = new ClusterClient(options, seeds, await readTarget(options), context);
    try {
      await client.#connect();
      checkServer(await client.info(), client.where, true);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  private constructor(
    options: RedisOptions,
    seeds: readonly string[],
    { host: _, port: __, db: ___, ...login }: Target,
    context: ClientContext,
  ) {
    this.where = `cluster ${seeds.join(',')}`;
    this.#context = context;
    this.#attempts = options.attempts;
    this.#redis = new Cluster(seeds.map(addressOf), {
      lazyConnect: true,
      enableOfflineQueue: false,
      // A command whose connection broke may have been done: whether it may be tried again is for its caller to know.
      retryDelayOnFailover: 0,
      slotsRefreshInterval: LOOK_FOR_SLOTS_MS,
      slotsRefreshTimeout: options.connectTimeoutMs,
      // Names as the nodes announce them, which is what their certificates say.
      dnsLookup: (address, callback) => callback(null, address),
      clusterRetryStrategy: (times) =>
        this.#reconnects ? Math.min(20 * 2 ** times, RECONNECT_MAX_MS) : null,
      redisOptions: {
        ...login,
        protocol: 2,
        connectionName: 'changeover',
        disableClientInfo: true,
        connectTimeout: options.connectTimeoutMs,
        commandTimeout: options.commandTimeoutMs,
        keepAlive: 10_000,
        autoResendUnfulfilledCommands: false,
      },
    });
    this.#redis.on('error', (error: Error) => this.#noteTrouble(error));
    this.#redis.on('ready', () => {
      this.#trouble = undefined;
    });
  }

  async #connect(): Promise<void> {
    try {
      await this.#redis.connect();
      this.#reconnects = true;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #noteTrouble(error: Error): void {
    this.#trouble = error;
    if (this.#closed || !this.#reconnects) return;
    this.#context.logger.warn(
      { where: this.where, reason: messageOf(error) },
      'the connection to Redis broke',
    );
  }

  call<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    // A cluster client has the commands of a client of one server, and nothing else of it is used.
    return this.#try(() => work(this.#redis as unknown as Redis));
  }

  #try<T>(work: () => Promise<T>): Promise<T> {
    return tryCall(work, {
      attempts: this.#attempts,
      clock: this.#context.clock,
      explain: (error) => this.#explain(error),
    });
  }

  #explain(error: unknown): ChangeoverError {
    if (this.#closed)
      return new ChangeoverError('aborted', `The connection to Redis at ${this.where} was closed.`);
    // Which of the nodes it asked said what is on the last of them.
    const reason = (given: unknown) =>
      given instanceof Error && 'lastNodeError' in given ? (given.lastNodeError ?? given) : given;
    const explained = toRedisError(reason(error), this.where);
    if (explained.code !== 'unreachable' || this.#trouble === undefined) return explained;
    return toRedisError(reason(this.#trouble), this.where);
  }

  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.call((redis) => evaluate(redis, script, keys, args));
  }

  async runOnce(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const once = await this.call((redis) => evaluateOnce(redis, script, keys, args));
    if ('answer' in once) return once.answer;
    throw this.#explain(once.gaveUp);
  }

  batch<T>(commands: readonly PlainCommand[], read: (answer: Answer) => T): Promise<readonly T[]> {
    return this.#try(async () => (await batchByNode(this.#redis, commands)).map(read));
  }

  parts(): readonly ClusterNode[] {
    const slots = Map.groupBy(this.#redis.slots.keys(), (slot) => this.#redis.slots[slot]?.[0]);
    return this.#redis.nodes('master').map((node) => ({
      name: nameOf(node),
      slots: slots.get(nameOf(node)) ?? [],
      redis: node,
      call: (work) => this.#try(() => work(node)),
      separate: () => waitingConnection(node),
    }));
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

/** `host:port`, an IPv6 address in brackets. */
function addressOf(seed: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`redis://${seed}`);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 6379) };
}
