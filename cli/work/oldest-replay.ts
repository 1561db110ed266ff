import { ChangeoverError } from '../../core/errors.ts';
import { duration } from '../output/format.ts';

/**
 * A tombstone may go when no change of its key that is older than it can be delivered to its store any more. Where such a change
 * may still be is asked part by part (replay-bounds.ts, docs/decisions/0030); each part answers how far back it reaches.
 */
export type ReplayPart =
  /** The log holds it, whether or not the store has applied it: a replay would deliver it again. */
  | 'replay'
  /** The log holds it, and the store has yet to apply it. */
  | 'lag'
  /** It was captured, and the log has not got it. */
  | 'outbox'
  /** The store has refused it, and it may be redriven. */
  | 'dead-letter'
  /** A backfill has read it, or may have, before its entity was deleted, and publishes it after that. */
  | 'backfill'
  /** It is on its way now, where nobody can ask for it. */
  | 'under-way';

export interface ReplayBound {
  readonly part: ReplayPart;
  /** What may deliver it, for people; the time is added. */
  readonly what: string;
  /** A tombstone from before this moment meets no older change from there (µs since 1970); null where that cannot be said. */
  readonly sinceUs: number | null;
  /** What an operator can do about it. */
  readonly remedy: string;
}

/**
 * The clocks of stores, brokers and processes are not one clock, and what is under way takes its time: a publication is tried again for
 * minutes, a transaction becomes visible after it was stamped. Tombstones and what may meet them are this far apart.
 */
export const MARGIN_MS = 10 * 60_000;
const MARGIN_US = MARGIN_MS * 1_000;

/** What holds whoever is asked: nobody can see what is being tried again, and no two clocks are one. */
export function underWay(nowUs: number): ReplayBound {
  return { part: 'under-way', what: 'what is being written just now', sinceUs: nowUs, remedy: '' };
}

/**
 * What has left an outbox, a backfill or an application and is not in the log yet. It waits for its turn as long as the batch before it may be
 * tried, and is tried itself as long. The margin covers that where nobody has configured more.
 */
export function publishing(nowUs: number, deliveryTimeoutMs: number): readonly ReplayBound[] {
  const beyondMs = 2 * deliveryTimeoutMs - MARGIN_MS;
  if (beyondMs <= 0) return [];
  return [
    {
      part: 'under-way',
      what: `what is being published, which is tried again for ${duration(deliveryTimeoutMs)} (kafka.deliveryTimeoutMs)`,
      sinceUs: nowUs - beyondMs * 1_000,
      remedy: '',
    },
  ];
}

/** Those that forbid the removal of tombstones of smaller versions than `beforeUs`, the oldest first. */
export function forbidding(bounds: readonly ReplayBound[], beforeUs: number): readonly ReplayBound[] {
  return bounds
    .filter(({ sinceUs }) => sinceUs === null || sinceUs - MARGIN_US < beforeUs)
    .sort((left, right) => (left.sinceUs ?? 0) - (right.sinceUs ?? 0));
}

/** The shortest retention that all of them allow, in ms; null where none is long enough. */
export function shortestRetentionMs(bounds: readonly ReplayBound[], nowUs: number): number | null {
  const reach = bounds.map(({ sinceUs }) => (sinceUs === null ? Infinity : nowUs - sinceUs));
  const longest = Math.max(0, ...reach);
  return longest === Infinity ? null : Math.ceil(longest / 1_000) + MARGIN_MS;
}

interface Asked {
  readonly store: string;
  readonly nowUs: number;
  readonly retentionMs: number;
}

/** Throws `conflict` where the retention is shorter than the oldest possible replay, and names every part that forbids it. */
export function requireNoReplay(bounds: readonly ReplayBound[], { store, nowUs, retentionMs }: Asked): void {
  const forbidden = forbidding(bounds, nowUs - retentionMs * 1_000);
  if (forbidden.length === 0) return;
  const texts = forbidden.map(
    ({ what, sinceUs }) => `${what}${sinceUs === null ? '' : ` (since ${agoText(sinceUs, nowUs)})`}`,
  );
  const enough = shortestRetentionMs(forbidden, nowUs);
  const longer = enough === null ? '' : `Ask for a longer retention: --retention ${retentionText(enough)}.`;
  const remedies = new Set([longer, ...forbidden.map(({ remedy }) => remedy)].filter((text) => text !== ''));
  throw new ChangeoverError(
    'conflict',
    `${store}: tombstones that are older than ${duration(retentionMs)} may still be needed: ${texts.join('; ')}`,
    { hint: `${[...remedies].join(' ')} Nothing was removed.` },
  );
}

function agoText(us: number, nowUs: number): string {
  return `${new Date(us / 1_000).toISOString()}, ${duration(Math.max(0, nowUs - us) / 1_000)} ago`;
}

const HOUR_MS = 3_600_000;

/** As `--retention` takes it, rounded up by so much that it is still enough when it is typed. */
function retentionText(ms: number): string {
  return ms > 48 * HOUR_MS ? `${Math.ceil(ms / HOUR_MS) + 1}h` : `${Math.ceil(ms / 60_000) + 5}m`;
}
