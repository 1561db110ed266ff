import { randomUUID } from 'node:crypto';
import type { Capture, CaptureStatus } from '../../capture.ts';
import { assertDrained } from '../../outbox-errors.ts';
import type { SingleClient } from '../client/client.ts';
import type { CaptureContext } from './context.ts';
import { CLAIM_MS, RedisDrain } from './drain.ts';
import { ACCEPT_LOSS, UNINSTALL } from './drain-scripts.ts';
import { openExpiries } from './expiries.ts';
import { capturedAtOf, type StreamEntry } from './outbox-entry.ts';
import { clearSetAsideOf, setAsideOf } from './set-aside.ts';
import { createWriter } from './writer.ts';

/**
 * Capture in Redis: whoever writes, here or through `intercept`, writes by a script that makes the write, its version and
 * its entry in the outbox in one step.
 */
export function openCapture(context: CaptureContext & { readonly client: SingleClient }): Capture {
  const { client, layout, kinds, outbox, settings, store, clock } = context;
  const { writer, maxChangeBytes } = settings;
  const write = createWriter(context);
  const expiries = openExpiries({ client, layout, kinds, outbox, writer });
  return {
    kinds,
    write,

    async install() {
      await context.prepare();
      await client.call((redis) => redis.set(layout.captureKey, '1'));
      await expiries.findAll();
    },

    async uninstall() {
      const entries = await client.run(UNINSTALL, [layout.outboxKey, layout.captureKey], []);
      assertDrained(store, Number(entries));
    },

    async status() {
      const { outboxKey, asideKey, captureKey, lostKey } = layout;
      return client.call(async (redis) => {
        const [installed, entries, setAside, lost, oldest] = await Promise.all([
          redis.exists(captureKey),
          redis.xlen(outboxKey),
          redis.xlen(asideKey),
          redis.hget(lostKey, 'first'),
          redis.xrangeBuffer(outboxKey, '-', '+', 'COUNT', 1),
        ]);
        const [first] = oldest as unknown as readonly StreamEntry[];
        const active = installed === 1;
        return {
          active,
          detail: active
            ? 'writes through intercept() and through Changeover itself are captured, others are not'
            : 'not installed',
          entries,
          oldestUs: first === undefined ? null : capturedAtOf(first, store),
          maxEntries: outbox.maxEntries,
          setAside,
          lostSinceUs: lost === null ? null : Number(lost),
        } satisfies CaptureStatus;
      });
    },

    async claim() {
      const token = randomUUID();
      const answer = await client.call((redis) => redis.set(layout.relayKey, token, 'PX', CLAIM_MS, 'NX'));
      // An answer that was lost: the key may be ours all the same.
      const holder = answer === 'OK' ? token : await client.call((redis) => redis.get(layout.relayKey));
      if (holder !== token) return undefined;
      const { unknownFields } = context;
      return new RedisDrain({ client, layout, clock, expiries, token, unknownFields, store, maxChangeBytes });
    },

    setAsideEntries: () => setAsideOf(context, layout),
    clearSetAside: (ids) => clearSetAsideOf(context, layout, ids),

    async acceptLoss(untilUs) {
      await client.run(ACCEPT_LOSS, [layout.lostKey], [String(untilUs), String(untilUs + 1)]);
    },
  };
}
