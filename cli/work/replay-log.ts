import type { Store } from '../../connectors/connector.ts';
import type { Log, LogPlace, PartitionPosition } from '../../log/log.ts';
import { type Kind, topicOf } from '../../schemas/kinds.ts';
import type { Deployment } from '../deployment.ts';
import type { ReplayBound } from './oldest-replay.ts';

/** A store whose tombstones are to go. */
export interface Purged {
  readonly store: Store;
  /** Of which tombstones are to go. */
  readonly kinds: readonly Kind[];
  /** Tombstones of smaller versions are to go. */
  readonly beforeUs: number;
  /** Whether what the store has applied may be delivered to it again. */
  readonly replays: boolean;
}

/** By the first record that counts of each partition: what the log holds behind it was published later. */
export async function logBounds(
  { config }: Deployment,
  log: Log,
  { store, kinds, replays }: Purged,
): Promise<readonly ReplayBound[]> {
  const follows = store.name.startsWith('target.');
  const positions = await log.positions(kinds, follows ? store.name : undefined);
  const held = positions.filter(({ start, end }) => end > start);
  const replayed = replays ? held.map((position) => placeAt(position, position.start)) : [];
  const waiting = follows
    ? held.flatMap((position) => {
        const next = Math.max(position.committed ?? position.start, position.start);
        return next < position.end ? [placeAt(position, next)] : [];
      })
    : [];
  const times = await timesOf(log, [...replayed, ...waiting]);
  const bound = (part: 'replay' | 'lag', places: readonly LogPlace[], words: string, remedy: string) =>
    Array.from(
      Map.groupBy(places, ({ kind }) => kind),
      ([kind, ofKind]): ReplayBound => {
        const all = ofKind.map((place) => times.get(idOf(place)) ?? null);
        const sinceUs = all.includes(null) ? null : Math.min(...all.map(Number));
        return { part, what: `${topicOf(config.prefix, kind)} holds changes that ${words}`, sinceUs, remedy };
      },
    );
  return [
    ...bound(
      'replay',
      replayed,
      'a replay would deliver again',
      'Or let the topic forget sooner (its retention.ms). Or, if what this store has applied is never to be replayed but as a whole, add --no-replay.',
    ),
    ...bound(
      'lag',
      waiting,
      `${store.name} has yet to apply`,
      `Let \`changeover run\` catch up with ${store.name}; \`changeover lag\` tells how far it is.`,
    ),
  ];
}

const placeAt = ({ kind, partition }: PartitionPosition, offset: number): LogPlace => ({
  kind,
  partition,
  offset,
});
const idOf = ({ kind, partition, offset }: LogPlace): string => `${kind}/${partition}/${offset}`;

/** Those that have vanished since are missing. */
async function timesOf(log: Log, places: readonly LogPlace[]): Promise<ReadonlyMap<string, number>> {
  const distinct = [...new Map(places.map((place) => [idOf(place), place])).values()];
  if (distinct.length === 0) return new Map();
  const records = await log.records(distinct);
  return new Map(
    records.flatMap((record) => (record === undefined ? [] : [[idOf(record), record.timestampMs * 1_000]])),
  );
}
