import { Registry } from 'prom-client';
import { systemClock } from '../../core/clock.ts';
import { type CaptureMetrics, createCaptureMetrics } from '../../core/metrics/capture-metrics.ts';
import type { Service } from '../../core/service.ts';
import type { Log } from '../../log/log.ts';
import type { Writers } from '../../producers/shim/change-writer.ts';
import { createLogWriter } from '../../producers/shim/log-writer.ts';
import { KINDS } from '../../schemas/kinds.ts';
import type { ServerOptions } from '../../server/options.ts';
import { type Check, captureReadiness, createReadiness, logReadiness } from '../../server/readiness.ts';
import { openServer } from '../../server/server.ts';
import { readToken } from '../../server/token.ts';
import { collectionSpace } from '../collection-space.ts';
import { type Deployment, WRITER } from '../deployment.ts';
import { chosenOrigins } from '../routes.ts';
import { openRelays, type RelayOfStore } from './relays.ts';
import { counted, originStores, storeOf, writersOf } from './writers.ts';

/** The ingest, listening, and what runs beside it. */
export interface Ingest {
  /** `http://127.0.0.1:8470` */
  readonly address: string;
  readonly relays: readonly RelayOfStore[];
  readonly services: readonly Service[];
}

export interface IngestWork {
  readonly server: ServerOptions;
  /** Whether this process drains the outboxes, too. */
  readonly relay: boolean;
}

interface Target {
  readonly writers: Writers;
  readonly checks: ReadonlyMap<string, Check>;
  readonly relays: readonly RelayOfStore[];
  readonly beside: readonly Service[];
}

/** Opens what changes are written to and serves it. The server closes when its service is stopped. */
export async function openIngest(deployment: Deployment, { server, relay }: IngestWork): Promise<Ingest> {
  const registry = new Registry();
  const token = await readToken(server);
  const { writers, checks, relays, beside } =
    deployment.config.ingest.mode === 'log'
      ? await openLogTarget(deployment)
      : await openStoreTarget(deployment, relay, registry, createCaptureMetrics(registry));
  const ingest = await openServer(server, {
    writers,
    token,
    ready: createReadiness(checks, systemClock),
    registry,
    logger: deployment.logger.child({ part: 'ingest' }),
    clock: systemClock,
  });
  const serving: Service = {
    name: 'ingest',
    run: async (signal) => {
      if (!signal.aborted) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      }
      await ingest.close();
    },
  };
  return { address: ingest.address, relays, services: [serving, ...beside] };
}

async function openStoreTarget(
  deployment: Deployment,
  relay: boolean,
  registry: Registry,
  metrics: CaptureMetrics,
): Promise<Target> {
  const stores = await originStores(deployment);
  const checks = stores.map(({ name, capture }) => [name, captureReadiness(name, capture)] as const);
  const relaying = relay
    ? await openRelays(deployment, chosenOrigins(deployment.routes, undefined), { registry, metrics })
    : undefined;
  const relays = relaying?.relays ?? [];
  return {
    writers: counted(writersOf(deployment, stores), metrics, storeOf(deployment)),
    checks: new Map(checks),
    relays,
    beside: [...relays.map((each) => each.relay), ...(relaying?.beside ?? [])],
  };
}

async function openLogTarget(deployment: Deployment): Promise<Target> {
  const { config, routes } = deployment;
  const log: Log = await deployment.log();
  await log.prepare();
  const publisher = await log.publisher();
  const writer = createLogWriter({
    publisher,
    settings: {
      maxChangeBytes: config.kafka.maxChangeBytes,
      space: collectionSpace(config, routes),
      writer: WRITER,
    },
    clock: systemClock,
  });
  return {
    writers: new Map(KINDS.map((kind) => [kind, writer])),
    checks: new Map([['log', logReadiness(publisher)]]),
    relays: [],
    beside: [],
  };
}
