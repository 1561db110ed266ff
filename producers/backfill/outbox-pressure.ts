import type { Clock } from '../../core/clock.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Pressure, PressureSource } from './pressure.ts';

/** What the outbox of an origin store holds (a `CaptureStatus` with its store is one). */
export interface OutboxDepth {
  readonly store: string;
  readonly kinds: readonly Kind[];
  readonly entries: number;
  readonly maxEntries: number;
}

export interface OutboxPressureOptions {
  readonly clock: Pick<Clock, 'elapsedMs'>;
  /** Of the stores that are captured. */
  readonly read: () => Promise<readonly OutboxDepth[]>;
  /** How full an outbox may be, from 0 to 1. */
  readonly maxShare: number;
}

/** To count entries costs some stores more than others. */
const READ_EVERY_MS = 3_000;

/** Live writes go first: while they wait in an outbox, what is read from that store and published makes way. */
export function outboxPressure({ clock, read, maxShare }: OutboxPressureOptions): PressureSource {
  let readMs = Number.NEGATIVE_INFINITY;
  let pressures: readonly Pressure[] = [];
  return {
    read: async () => {
      if (clock.elapsedMs() - readMs < READ_EVERY_MS) return pressures;
      readMs = clock.elapsedMs();
      const deep = (await read()).filter(({ entries, maxEntries }) => entries > maxShare * maxEntries);
      pressures = deep.map(({ store, kinds, entries, maxEntries }) => ({
        reason: 'outbox',
        kinds,
        text: `the outbox of ${store} holds ${entries} writes, room is for ${maxEntries}`,
      }));
      return pressures;
    },
  };
}
