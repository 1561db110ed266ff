import { randomUUID } from 'node:crypto';
import { forEachLimited } from '../../../core/sequence.ts';
import type { Capture, CaptureStatus } from '../../capture.ts';
import { assertDrained } from '../../outbox-errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import { ClusterDrain } from './cluster-drain.ts';
import { TAKE_CLAIM } from './cluster-drain-scripts.ts';
import { nameOfEntry, placeOfEntry } from './cluster-reader.ts';
import type { CaptureContext } from './context.ts';
import { CLAIM_MS } from './drain.ts';
import { ACCEPT_LOSS } from './drain-scripts.ts';
import { openExpiries } from './expiries.ts';
import { filledOutboxes, keepingOutboxes, lossyOutboxes, totalsOf } from './outboxes.ts';
import { clearSetAsideOf, setAsideOf } from './set-aside.ts';
import { createWriter } from './writer.ts';

const CALLS_AT_ONCE = 16;

/** Capture in a Redis Cluster: as on a single server (capture.ts), with an outbox in each slot. */
export function openClusterCapture(context: CaptureContext & { readonly client: ClusterClient }): Capture {
  const { client, layout, kinds, outbox, settings, store, clock } = context;
  const { writer, maxChangeBytes } = settings;
  const expiries = openExpiries({ client, layout, kinds, outbox, writer });
  return {
    kinds,
    write: createWriter(context),

    async install() {
      await context.prepare();
      await client.call((redis) => redis.set(layout.captureKey, '1'));
      await expiries.findAll();
    },

    async uninstall() {
      const { entries } = await totalsOf(context, store);
      assertDrained(store, entries);
      await client.call((redis) => redis.del(layout.captureKey));
    },

    async status() {
      const installed = await client.call((redis) => redis.exists(layout.captureKey));
      const active = installed === 1;
      return {
        active,
        detail: active
          ? 'writes through intercept() and through Changeover itself are captured, others are not; an outbox in each slot of the cluster, each with room for maxEntries'
          : 'not installed',
        maxEntries: outbox.maxEntries,
        ...(await totalsOf(context, store)),
      } satisfies CaptureStatus;
    },

    async claim() {
      const token = randomUUID();
      const keys = [layout.relayKey, `${layout.relayKey}:number`];
      const number = await client.run(TAKE_CLAIM, keys, [token, String(CLAIM_MS)]);
      if (number === null) return undefined;
      const { unknownFields } = context;
      const drain = new ClusterDrain({
        ...{ client, layout, clock, expiries, token, unknownFields, store, maxChangeBytes },
        number: String(number),
      });
      try {
        await forEachLimited(await filledOutboxes(context), CALLS_AT_ONCE, (own) => drain.fence(own));
        return drain;
      } catch (error) {
        await drain.close().catch(() => undefined);
        throw error;
      }
    },

    async *setAsideEntries() {
      for (const own of await keepingOutboxes(context)) {
        yield* setAsideOf(context, own, (id) => nameOfEntry(id, own));
      }
    },

    async clearSetAside(ids) {
      const places = ids.map((id) => placeOfEntry(id, layout)).filter((place) => place !== undefined);
      let gone = 0;
      await forEachLimited([...Map.groupBy(places, ([own]) => own)], CALLS_AT_ONCE, async ([own, some]) => {
        const names = some.map(([, id]) => id);
        const ofSlot = await clearSetAsideOf(context, own, names);
        gone += ofSlot;
      });
      return gone;
    },

    async acceptLoss(untilUs) {
      await forEachLimited(await lossyOutboxes(context), CALLS_AT_ONCE, async ({ lostKey }) => {
        await client.run(ACCEPT_LOSS, [lostKey], [String(untilUs), String(untilUs + 1)]);
      });
    },
  };
}
