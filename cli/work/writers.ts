import { ChangeoverError } from '../../core/errors.ts';
import type { CaptureMetrics } from '../../core/metrics/capture-metrics.ts';
import type { ChangeWriter, Writers } from '../../producers/shim/change-writer.ts';
import type { ShimObserver } from '../../producers/shim/failure.ts';
import { openShim, type Shim } from '../../producers/shim/shim.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Deployment, OriginStore } from '../deployment.ts';
import { chosenOrigins, kindsOfOrigin } from '../routes.ts';

/** The origin stores, opened for capture. Throws `mismatch` for one whose writes would not be captured now. */
export async function originStores(deployment: Deployment): Promise<readonly OriginStore[]> {
  const names = chosenOrigins(deployment.routes, undefined);
  return Promise.all(
    names.map(async (name) => {
      const store = await deployment.origin(name);
      const { active, detail } = await store.capture.status();
      if (active) return store;
      throw new ChangeoverError('mismatch', `Writes to ${store.name} are not captured: ${detail}`, {
        hint: `Run \`changeover capture install ${name}\` first.`,
      });
    }),
  );
}

/** Where each kind is written: the capture of its origin store. */
export function writersOf(deployment: Deployment, stores: readonly OriginStore[]): Writers {
  const { routes } = deployment;
  return new Map<Kind, ChangeWriter>(
    stores.flatMap(({ name, capture }) =>
      kindsOfOrigin(routes, name.replace(/^legacy\./, '')).map((kind) => [kind, capture] as const),
    ),
  );
}

/** The domain API over a deployment that captures, with the failure policy that its configuration names. */
export async function openDeploymentShim(deployment: Deployment, observer?: ShimObserver): Promise<Shim> {
  return openShim({
    captures: writersOf(deployment, await originStores(deployment)),
    onFailure: deployment.config.shim.onFailure,
    logger: deployment.logger,
    observer,
  });
}

/** The name of the store in which a kind is written. */
export function storeOf({ routes }: Deployment): (kind: Kind) => string {
  return (kind) => `legacy.${routes.origins.get(kind)}`;
}

/** Counts what becomes of the domain API's writes. */
export function countingObserver(metrics: CaptureMetrics, nameOf: (kind: Kind) => string): ShimObserver {
  return { onResult: (kind, { status }) => metrics.captureWrites(nameOf(kind), status, 1) };
}

/** Writers whose results are counted. A call that fails as a whole counts each of its writes as failed. */
export function counted(writers: Writers, metrics: CaptureMetrics, nameOf: (kind: Kind) => string): Writers {
  // One for each store, as before: kinds that share a writer are written in one call, in their order.
  const wrappers = new Map<ChangeWriter, ChangeWriter>();
  const wrapperOf = (kind: Kind, writer: ChangeWriter): ChangeWriter => {
    const wrapper = wrappers.get(writer) ?? countedWriter(writer, metrics, nameOf(kind));
    wrappers.set(writer, wrapper);
    return wrapper;
  };
  return new Map(Array.from(writers, ([kind, writer]) => [kind, wrapperOf(kind, writer)]));
}

function countedWriter(writer: ChangeWriter, metrics: CaptureMetrics, store: string): ChangeWriter {
  return {
    write: async (writes, path) => {
      try {
        const results = await writer.write(writes, path);
        for (const { status } of results) metrics.captureWrites(store, status, 1);
        return results;
      } catch (error) {
        metrics.captureWrites(store, 'failed', writes.length);
        throw error;
      }
    },
  };
}
