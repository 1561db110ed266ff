import type { Closable } from '../../core/service.ts';
import type { OutboxDepth } from '../../producers/backfill/outbox-pressure.ts';
import type { Config } from '../config.ts';
import { Deployment } from '../deployment.ts';
import { kindsOfOrigin } from '../routes.ts';
import { statusesOf } from './capture-status.ts';

/** What the outboxes of these origin stores hold, where they are captured. */
export interface OutboxDepths extends Closable {
  read(): Promise<readonly OutboxDepth[]>;
}

/**
 * The stores are opened a second time, for capture, at the first question: a backfill reads more kinds of a store than are
 * captured in it. One that is not captured, or does not say, holds nothing that one could wait for.
 */
export function openOutboxDepths(config: Config, names: readonly string[]): OutboxDepths {
  let deployment: Deployment | undefined;
  let asked = names;
  return {
    read: async () => {
      deployment ??= new Deployment(config, { capture: true });
      const { routes } = deployment;
      const statuses = await statusesOf(deployment, asked);
      const depths = statuses.flatMap((status) => {
        if ('error' in status || !status.active) return [];
        const kinds = kindsOfOrigin(routes, sectionOf(status.store));
        return [{ store: status.store, kinds, entries: status.entries, maxEntries: status.maxEntries }];
      });
      const failed = new Set(
        statuses.flatMap((status) => ('error' in status ? [sectionOf(status.store)] : [])),
      );
      asked = asked.filter((name) => !failed.has(name));
      return depths;
    },
    close: async () => deployment?.close(),
  };
}

function sectionOf(store: string): string {
  return store.replace(/^legacy\./, '');
}
