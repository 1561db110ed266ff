import type { Capture, CapturePath, Drain, EntityWrite, NextOptions } from '../../connectors/capture.ts';
import { MemoryCapture } from '../support/memory-capture.ts';
import type { History } from './history.ts';
import type { Life } from './life.ts';
import { ORIGIN, type Origin } from './origin.ts';

const WAKE_MS = 1;

/** One process' way to the outbox: the capture in memory, every call of which travels. */
export function openCapture(
  origin: Origin,
  life: Life,
  history: History,
): Pick<Capture, 'write' | 'claim' | 'status'> {
  const inner = new MemoryCapture(origin.outbox, { writer: life.name });
  const { bug } = life.world;
  return {
    write: (writes: readonly EntityWrite[], _path?: CapturePath) =>
      life.call(ORIGIN, `writes ${writes.map(({ kind, key }) => `${kind} ${key}`).join(', ')}`, () => {
        if (bug === 'event-id-ignored')
          for (const { eventId = '' } of writes) origin.outbox.events.delete(eventId);
        return inner.write(writes);
      }),
    status: () => life.call(ORIGIN, 'looks at the outbox', () => inner.status()),
    claim: () =>
      life
        .call(ORIGIN, 'claims the outbox', () => inner.claim())
        .then((drain) => drain && openDrain(drain, origin, life, history)),
  };
}

function openDrain(inner: Drain, { outbox }: Origin, life: Life, history: History): Drain {
  const never = new AbortController().signal;
  const { world } = life;
  const look = ({ limit }: NextOptions) =>
    life.call(ORIGIN, 'reads the outbox', () => inner.next({ limit, waitMs: 0, signal: never }), {
      isRead: true,
    });
  return {
    renewWithinMs: inner.renewWithinMs,
    renew: () => life.call(ORIGIN, 'renews its claim', () => inner.renew()),
    next: async (options) => {
      const found = await look(options);
      if (found.entries.length > 0 || options.signal.aborted) return found;
      const over = new AbortController();
      const wait = life.clock.sleep(options.waitMs, AbortSignal.any([options.signal, over.signal]));
      await Promise.race([life.hear(outbox.watchers.changed(), WAKE_MS), wait.catch(() => {})]);
      over.abort();
      return options.signal.aborted ? { entries: [], unreadable: [] } : look(options);
    },
    restart: () => inner.restart(),
    discard: (ids) =>
      life.call(ORIGIN, `discards ${ids.join(' ')}`, async () => {
        const going = outbox.items.flatMap((item) =>
          'entry' in item && ids.includes(item.entry.id) ? [item.entry.change] : [],
        );
        await inner.discard(ids);
        for (const { kind, key, version, eventId } of going) {
          if (history.isInLog(eventId)) continue;
          world.violated('lost', `${kind} ${key} version ${version} left the outbox and is not in the log`);
        }
      }),
    setAside: (entry) => life.call(ORIGIN, `sets aside ${entry.id}`, () => inner.setAside(entry)),
    close: () => life.call(ORIGIN, 'gives up its claim', () => inner.close()),
  };
}
