import { type Log, lagOf } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';

/** A consumer group and what it follows. */
export interface Following {
  /** Local to the log's prefix. */
  readonly group: string;
  readonly kinds: readonly Kind[];
}

export interface PartitionLag {
  readonly kind: Kind;
  readonly partition: number;
  /** The offset that the group will read next; null where it has never committed. */
  readonly committed: number | null;
  readonly records: number;
  /** Offsets that it would read next and that are gone: what `run` calls a gap. */
  readonly missing: number;
  /** How far the group was is lost, so nobody can say how many are gone: a gap as well. */
  readonly forgotten: boolean;
  /** How long the oldest of them has been in the log; 0 where there is none. */
  readonly seconds: number;
}

/** How far a group is behind, whether it is running or not: the log alone is asked. */
export async function readLag(
  log: Pick<Log, 'positions' | 'arrivals'>,
  { group, kinds }: Following,
  nowUs: () => number,
): Promise<readonly PartitionLag[]> {
  const positions = await log.positions(kinds, group);
  const waiting = positions.filter((position) => lagOf(position) > 0);
  const oldest = await log.arrivals(
    waiting.map(({ kind, partition, start, committed }) => ({
      kind,
      partition,
      offset: Math.max(start, committed ?? start),
    })),
  );
  const nowMs = nowUs() / 1_000;
  const arrivedMs = new Map(waiting.map((position, index) => [position, oldest[index] ?? nowMs]));
  return positions.map((position) => {
    const { kind, partition, committed, forgotten = false } = position;
    // Of different hosts' clocks: never below zero.
    const seconds = Math.max(0, nowMs - (arrivedMs.get(position) ?? nowMs)) / 1_000;
    const { start, end } = position;
    const missing = committed === null ? 0 : Math.max(0, start - committed, committed - end);
    // Where what comes next has expired meanwhile, less than nothing would be left.
    return { kind, partition, committed, records: Math.max(0, lagOf(position)), missing, forgotten, seconds };
  });
}
