import { Registry } from 'prom-client';
import type { CaptureStatus } from '../../connectors/capture.ts';
import { systemClock } from '../../core/clock.ts';
import { type CaptureMetrics, createCaptureMetrics } from '../../core/metrics/capture-metrics.ts';
import type { Service } from '../../core/service.ts';
import type { Log } from '../../log/log.ts';
import type { RelayEvent } from '../../producers/relay/events.ts';
import { Relay } from '../../producers/relay/relay.ts';
import { watchOutbox } from '../../producers/relay/watch-outbox.ts';
import type { Deployment, OriginStore } from '../deployment.ts';
import { metricsServer } from './metrics-server.ts';

/** The relay of one origin store, and what it is known to have to do. */
export interface RelayOfStore {
  readonly store: OriginStore;
  readonly relay: Relay;
  readonly watch: Service;
  /** As it was when it was last looked at, a few seconds ago. */
  status(): CaptureStatus | undefined;
}

export interface RelayWorkOptions {
  readonly untilEmpty?: boolean;
  readonly registry?: Registry;
  /** Where they have been declared already: a registry takes each name once. */
  readonly metrics?: CaptureMetrics;
  /** Whether `relay.metricsAddress` is for these; not inside of an application, which has the registry. */
  readonly listens?: boolean;
}

export interface RelayWork {
  readonly relays: readonly RelayOfStore[];
  readonly registry: Registry;
  /** Everything that has to run beside the relays: the looks at the outboxes, and the metrics where they are wanted. */
  readonly beside: readonly Service[];
}

/** Opens the origin stores for capture and makes a relay for each of them. */
export async function openRelays(
  deployment: Deployment,
  names: readonly string[],
  {
    untilEmpty = false,
    registry = new Registry(),
    metrics = createCaptureMetrics(registry),
    listens = true,
  }: RelayWorkOptions = {},
): Promise<RelayWork> {
  const log = logOf(deployment);
  // Who waits for the end of the work wants to know at once that there will be none.
  if (untilEmpty) await (await deployment.log()).prepare();
  const open = async (name: string): Promise<RelayOfStore> =>
    relayOf(deployment, await deployment.origin(name), { log, metrics, untilEmpty });
  const relays = await Promise.all(names.map(open));
  const { metricsAddress: address } = deployment.config.relay;
  const health = () => relayHealth(relays);
  return {
    relays,
    registry,
    beside: [
      ...relays.map(({ watch }) => watch),
      ...(address === undefined || !listens
        ? []
        : [metricsServer({ option: 'relay.metricsAddress', address, registry, health })]),
    ],
  };
}

/** What `/healthz` says of them. */
export function relayHealth(relays: readonly RelayOfStore[]): object {
  return { relays: Object.fromEntries(relays.map(({ store, relay }) => [store.name, relay.progress()])) };
}

/**
 * The log, when it is needed: a log that is away must not keep captures, metrics and alarms from starting. The relays wait
 * for it.
 */
function logOf(deployment: Deployment): Pick<Log, 'publisher'> {
  return {
    publisher: async () => {
      const log = await deployment.log();
      await log.prepare();
      return log.publisher();
    },
  };
}

interface Surroundings {
  readonly log: Pick<Log, 'publisher'>;
  readonly metrics: CaptureMetrics;
  readonly untilEmpty: boolean;
}

function relayOf(deployment: Deployment, store: OriginStore, surroundings: Surroundings): RelayOfStore {
  const { log, metrics, untilEmpty } = surroundings;
  const { config, logger } = deployment;
  const common = { store: store.name, capture: store.capture, clock: systemClock, logger };
  const { batchSize, maxInFlight } = config.relay;
  let latest: CaptureStatus | undefined;
  metrics.relayHolds(store.name, false);
  return {
    store,
    relay: new Relay({
      ...common,
      log,
      batchSize,
      maxInFlight,
      untilEmpty,
      onEvent: (event) => measure(metrics, store.name, event),
    }),
    watch: watchOutbox({
      ...common,
      onStatus: (status) => {
        latest = status;
        metrics.outboxRead(store.name, status, systemClock.nowUs());
      },
    }),
    status: () => latest,
  };
}

function measure(metrics: CaptureMetrics, store: string, event: RelayEvent): void {
  switch (event.type) {
    case 'claim':
      metrics.relayHolds(store, event.holding);
      break;
    case 'published':
      metrics.relayPublished(store, event.entries, event.again);
      break;
    case 'discarded':
      metrics.relayDiscarded(store, event.entries);
      break;
    case 'set-aside':
      metrics.relaySetAside(store);
      break;
    default:
      event satisfies never;
  }
}
