import type { Constants } from './state.ts';

const NONE: Constants = {
  keys: 1,
  relays: 1,
  writes: 2,
  ticks: 0,
  setBacks: 0,
  aborts: 0,
  relayCrashes: 0,
  relayPauses: 0,
  backfillCrashes: 0,
  backfillRuns: 1,
};

/** All of it at once would be too many states, so each looks at some of it together. Every test explores all of these. */
export const CONFIGURATIONS = {
  /** Two writes of a key and a backfill, while the relay is killed at any moment. */
  'relay-killed': { ...NONE, relayCrashes: 1 },
  /** Two relays, of which one is held up, loses its claim, and goes on. */
  'relay-held-up': { ...NONE, relays: 2, writes: 1, relayPauses: 1, relayCrashes: 1 },
  /** A clock that stands still, goes on and is set back; writes that are rolled back; delete and create again. */
  clock: { ...NONE, ticks: 1, setBacks: 1, aborts: 1 },
  /** A backfill that is killed, resumed, and followed by another one. */
  'backfill-killed': { ...NONE, writes: 1, backfillCrashes: 1, backfillRuns: 2 },
  /** A backfill and a relay that are both killed, beside one write. */
  'both-killed': { ...NONE, writes: 1, relayCrashes: 1, backfillCrashes: 1 },
  /** Two keys, with one clock, one relay and one backfill. */
  'two-keys': { ...NONE, keys: 2, writes: 1 },
} as const satisfies Readonly<Record<string, Constants>>;

export type ConfigurationName = keyof typeof CONFIGURATIONS;

/** Where the mutations are looked for: little of everything that does not take long. */
export const SMALL: Constants = { ...NONE, ticks: 1, setBacks: 1 };
