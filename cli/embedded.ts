import type { Cluster, Redis } from 'ioredis';
import { Registry } from 'prom-client';
import type { z } from 'zod';
import {
  type ObservedDictionary,
  openObservedDictionary,
} from '../connectors/dictionary/observed/observed-dictionary.ts';
import type { dictionaryOptions } from '../connectors/dictionary/options.ts';
import { intercept, redisMapping } from '../connectors/redis/intercept/intercept.ts';
import { REDIS_KINDS } from '../connectors/redis/layout.ts';
import type { RedisOptions } from '../connectors/redis/options.ts';
import { ChangeoverError } from '../core/errors.ts';
import { createCaptureMetrics } from '../core/metrics/capture-metrics.ts';
import { type Closable, closeAll, runAll, type Service } from '../core/service.ts';
import type { Shim } from '../producers/shim/shim.ts';
import { readConfig } from './config.ts';
import { Deployment } from './deployment.ts';
import { chosenOrigins, kindsOfOrigin } from './routes.ts';
import { openRelays } from './work/relays.ts';
import { countingObserver, openDeploymentShim, storeOf } from './work/writers.ts';

export type {
  AgentWrite,
  LegacyAgent,
  ObservedDictionary,
} from '../connectors/dictionary/observed/observed-dictionary.ts';
export { ChangeoverError } from '../core/errors.ts';
export { BatchError } from '../producers/shim/failure.ts';
export type { Batch, Shim } from '../producers/shim/shim.ts';

export interface EmbeddedOptions {
  /** Path of the configuration; `changeover.yaml` where there is one. */
  readonly config?: string;
  /** Options by environment variable, as for the commands; this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Our metrics go here too. */
  readonly registry?: Registry;
}

/**
 * Live capture inside an application: its stores' writes, captured, under the configuration that the commands have, too.
 * The stores' capture must be installed (`changeover capture install`).
 */
export interface Embedded extends Closable {
  /** The domain API: statements about agents, whatever store they belong to. */
  readonly shim: Shim;
  /** The legacy dictionary, where the configuration has one. This process is its only writer until `close`. */
  readonly dictionary: ObservedDictionary | undefined;
  /** A client with ioredis' own surface whose writes to the application's keys are captured. Throws `config` without `legacy.redis`. */
  intercept<C extends Redis | Cluster>(redis: C): C;
  /**
   * Drains the outboxes into the log until it is stopped; `changeover relay` does the same in a process of its own. A log
   * or a store that is away is waited for; what waiting cannot mend rejects `run`, and the writes go on into the outboxes.
   */
  readonly relay: Service;
  readonly registry: Registry;
}

/** Opens what the configuration names. Throws `mismatch` where a store's capture is not installed. */
export async function openEmbedded({
  config: file,
  env = process.env,
  registry = new Registry(),
}: EmbeddedOptions = {}): Promise<Embedded> {
  const config = readConfig(file, env);
  const deployment = new Deployment(config, { capture: true });
  const closables: Closable[] = [deployment];
  try {
    const { dictionary: dictionarySection, redis: redisSection } = config.legacy;
    const settings = deployment.captureSettings();
    const origins = chosenOrigins(deployment.routes, undefined);
    const dictionary = origins.includes('dictionary')
      ? await openObservedDictionary(dictionarySection as z.input<typeof dictionaryOptions>, {
          capture: settings,
          name: 'legacy.dictionary',
          kinds: kindsOfOrigin(deployment.routes, 'dictionary'),
          install: false,
          logger: deployment.logger,
        })
      : undefined;
    if (dictionary !== undefined) {
      closables.push(dictionary);
      // What is written here is relayed from here: another reader of its files would have to look at them all the time.
      deployment.adopt(dictionary);
    }
    const metrics = createCaptureMetrics(registry);
    return {
      shim: await openDeploymentShim(deployment, countingObserver(metrics, storeOf(deployment))),
      dictionary,
      registry,
      intercept: (redis) => {
        if (redisSection === undefined) {
          throw new ChangeoverError('config', 'There is no section legacy.redis in the configuration');
        }
        const kinds = kindsOfOrigin(deployment.routes, 'redis').flatMap(
          (kind) => REDIS_KINDS.find((own) => own === kind) ?? [],
        );
        if (kinds.length === 0) {
          throw new ChangeoverError(
            'config',
            'legacy.redis is the origin of no kind, so its writes are not captured',
            {
              hint: 'See the section origins of the configuration.',
            },
          );
        }
        const { keys, bookkeepingPrefix, unknownFields, outbox } = redisSection as RedisOptions;
        const { maxChangeBytes, writer } = settings;
        return intercept(
          redis,
          redisMapping({
            keys,
            kinds,
            bookkeepingPrefix,
            unknownFields,
            outbox,
            maxChangeBytes,
            writer,
            store: 'legacy.redis',
          }),
        );
      },
      relay: {
        name: 'relay',
        run: async (signal) => {
          const { relays, beside } = await openRelays(deployment, origins, {
            registry,
            metrics,
            listens: false,
          });
          await runAll([...relays.map((each) => each.relay), ...beside], signal);
        },
      },
      close: () => closeAll(closables),
    };
  } catch (error) {
    await closeAll(closables);
    throw error;
  }
}
