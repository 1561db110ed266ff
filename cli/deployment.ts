import { hostname } from 'node:os';
import type { Capture, CaptureSettings } from '../connectors/capture.ts';
import type { Connector, Role, Store } from '../connectors/connector.ts';
import { systemClock } from '../core/clock.ts';
import { ChangeoverError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/logger.ts';
import type { Closable } from '../core/service.ts';
import { openKafkaLog } from '../log/kafka/open.ts';
import type { Log } from '../log/log.ts';
import { type Codec, createCodec } from '../schemas/codec.ts';
import type { Kind } from '../schemas/kinds.ts';
import { collectionSpace } from './collection-space.ts';
import type { Config } from './config.ts';
import { CONNECTORS } from './connectors.ts';
import { kindsOfOrigin, type Routes, routesOf } from './routes.ts';

/** This process, for the changes' origin and the control topic. */
export const WRITER = `${hostname()}:${process.pid}`;

export interface DeploymentOptions {
  /** Whether the legacy stores are opened with what capturing writes needs. */
  readonly capture?: boolean;
}

/** A legacy store whose writes are captured. */
export type CapturedStore = Store & { readonly capture: Capture };

/** What an application has of it: it writes, and relays what it wrote. */
export type OriginStore = Pick<CapturedStore, 'name' | 'capture'>;

/**
 * What one configuration describes, opened as far as a command needs it: the log and each store at most once. Closing
 * it closes everything that was opened.
 */
export class Deployment implements Closable {
  readonly config: Config;
  readonly routes: Routes;
  readonly logger: Logger;
  readonly codec: Codec;
  readonly #captures: boolean;
  #log: Promise<Log> | undefined;
  readonly #stores = new Map<string, Promise<Store>>();
  readonly #adopted = new Map<string, OriginStore>();

  constructor(config: Config, { capture = false }: DeploymentOptions = {}) {
    this.config = config;
    this.#captures = capture;
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
    // One that could not be opened is tried again by whoever asks next.
    opened.catch(() => {
      if (this.#log === opened) this.#log = undefined;
    });
    return opened;
  }

  /** A store by its role and section, such as `target` and `milvus`. */
  store(role: Role, name: string): Promise<Store> {
    const fullName = `${role}.${name}`;
    const opened = this.#stores.get(fullName) ?? this.#open(role, name, fullName);
    this.#stores.set(fullName, opened);
    // As with the log.
    opened.catch(() => {
      if (this.#stores.get(fullName) === opened) this.#stores.delete(fullName);
    });
    return opened;
  }

  /** A legacy store with its capture; the deployment has to be one that captures. */
  async captured(name: string): Promise<CapturedStore> {
    const store = await this.store('legacy', name);
    if (hasCapture(store)) return store;
    throw new ChangeoverError('unsupported', `Writes to ${store.name} cannot be captured`);
  }

  /** From now on the origin of its name is a store that was opened elsewhere. Who opened it closes it. */
  adopt(store: OriginStore): void {
    this.#adopted.set(store.name, store);
  }

  /** Where writes are made and relayed: the adopted store of that section, or the one that is opened for it. */
  async origin(name: string): Promise<OriginStore> {
    return this.#adopted.get(`legacy.${name}`) ?? this.captured(name);
  }

  async #open(role: Role, name: string, fullName: string): Promise<Store> {
    const connector = CONNECTORS.find((each) => each.name === name);
    const options = this.config[role][name];
    if (connector === undefined || options === undefined) {
      throw new ChangeoverError('usage', `There is no section ${fullName} in the configuration`);
    }
    return connector.open(options, {
      name: fullName,
      role,
      kinds: this.#kindsOf(connector, role),
      logger: this.logger.child({ store: fullName }),
      clock: systemClock,
      ...(role === 'legacy' && this.#captures && { capture: this.captureSettings() }),
    });
  }

  #kindsOf({ name, kinds }: Connector, role: Role): readonly Kind[] {
    if (role === 'target') return this.routes.followers.get(name) ?? [];
    // A kind is captured in its origin alone: what another store holds of it is in no log.
    return this.#captures ? kindsOfOrigin(this.routes, name) : kinds.legacy;
  }

  /** What capture has to know to refuse a write before it is made. */
  captureSettings(): CaptureSettings {
    const { config, routes } = this;
    return {
      maxChangeBytes: config.kafka.maxChangeBytes,
      space: collectionSpace(config, routes),
      writer: WRITER,
    };
  }

  async close(): Promise<void> {
    const opening = [...this.#stores.values(), ...(this.#log === undefined ? [] : [this.#log])];
    const settled = await Promise.allSettled<Closable>(opening);
    // What could not be opened has said so where it was asked for.
    const opened = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    // Side by side: one that does not answer holds up no other.
    const closed = await Promise.allSettled(opened.map((each) => each.close()));
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Opens a deployment for as long as `work` takes. */
export async function withDeployment<T>(
  config: Config,
  work: (deployment: Deployment) => Promise<T>,
  options: DeploymentOptions = {},
): Promise<T> {
  const deployment = new Deployment(config, options);
  try {
    return await work(deployment);
  } finally {
    await deployment.close();
  }
}

function hasCapture(store: Store): store is CapturedStore {
  return store.capture !== undefined;
}
