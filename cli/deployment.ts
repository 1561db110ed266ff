import { hostname } from 'node:os';
import type { Role, Store } from '../connectors/connector.ts';
import { systemClock } from '../core/clock.ts';
import { ChangeoverError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/logger.ts';
import { type Closable, closeAll } from '../core/service.ts';
import { openKafkaLog } from '../log/kafka/open.ts';
import type { Log } from '../log/log.ts';
import { type Codec, createCodec } from '../schemas/codec.ts';
import type { Config } from './config.ts';
import { CONNECTORS } from './connectors.ts';
import { type Routes, routesOf } from './routes.ts';

/** This process, for the changes' origin and the control topic. */
export const WRITER = `${hostname()}:${process.pid}`;

/**
 * What one configuration describes, opened as far as a command needs it: the log and each store at most once. Closing
 * it closes everything that was opened.
 */
export class Deployment implements Closable {
  readonly config: Config;
  readonly routes: Routes;
  readonly logger: Logger;
  readonly codec: Codec;
  #log: Promise<Log> | undefined;
  readonly #stores = new Map<string, Promise<Store>>();

  constructor(config: Config) {
    this.config = config;
    this.routes = routesOf(config);
    this.logger = createLogger(config.log.level);
    this.codec = createCodec();
  }

  log(): Promise<Log> {
    const { config, codec, logger } = this;
    const opened =
      this.#log ??
      openKafkaLog(config.kafka, {
        prefix: config.prefix,
        codec,
        writer: WRITER,
        logger,
        clock: systemClock,
      });
    this.#log = opened;
    return opened;
  }

  /** A store by its role and section, such as `target` and `milvus`. */
  store(role: Role, name: string): Promise<Store> {
    const fullName = `${role}.${name}`;
    const opened = this.#stores.get(fullName) ?? this.#open(role, name, fullName);
    this.#stores.set(fullName, opened);
    return opened;
  }

  async #open(role: Role, name: string, fullName: string): Promise<Store> {
    const connector = CONNECTORS.find((each) => each.name === name);
    const options = this.config[role][name];
    if (connector === undefined || options === undefined) {
      throw new ChangeoverError('usage', `There is no section ${fullName} in the configuration`);
    }
    const kinds = role === 'target' ? (this.routes.followers.get(name) ?? []) : connector.kinds.legacy;
    return connector.open(options, {
      name: fullName,
      role,
      kinds,
      logger: this.logger.child({ store: fullName }),
      clock: systemClock,
    });
  }

  async close(): Promise<void> {
    const opening = [...this.#stores.values(), ...(this.#log === undefined ? [] : [this.#log])];
    const settled = await Promise.allSettled<Closable>(opening);
    // What could not be opened has said so where it was asked for.
    await closeAll(settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  }
}

/** Opens a deployment for as long as `work` takes. */
export async function withDeployment<T>(
  config: Config,
  work: (deployment: Deployment) => Promise<T>,
): Promise<T> {
  const deployment = new Deployment(config);
  try {
    return await work(deployment);
  } finally {
    await deployment.close();
  }
}
