import type { Kind } from '../../schemas/kinds.ts';
import type { PartitionLag } from './read-lag.ts';

/**
 * OK: nothing waits, or not for long. SLOW: the oldest record has waited for longer than the bound, or more and more wait.
 * STALLED: records wait, and nobody commits; or what comes next is not in the log any more.
 */
export type LagState = 'OK' | 'SLOW' | 'STALLED';

export interface JudgedLag extends PartitionLag {
  readonly state: LagState;
  /** In words, where it is not OK. */
  readonly reason: string;
}

export interface LagSample {
  /** On a monotone clock. */
  readonly atMs: number;
  /** Of the group. */
  readonly members: number;
  readonly partitions: readonly PartitionLag[];
}

export interface LagBounds {
  /** From here on a waiting record makes its partition SLOW. */
  readonly maxSeconds: number;
}

/** A group in which nothing at all moves for so long, while records wait, is stalled. */
export const GROUP_STALLS_AFTER_MS = 10_000;
/** One partition may wait while others have much to do. */
const PARTITION_STALLS_AFTER_MS = 60_000;
/** What has waited for less is on its way, also where more comes than goes for a moment. */
const GROWTH_MATTERS_AFTER_SECONDS = 10;
/** More than so long ago is another story. */
const GROWTH_WITHIN_MS = 60_000;

interface Standing {
  readonly committed: number | null;
  /** Since when it has not moved while records waited. */
  readonly sinceMs: number;
}

/**
 * Tells a group that is behind from one that has stopped. The brokers know only where a group stands, so that takes looks
 * over some time; only where the group has no member one look is enough.
 */
export class LagHistory {
  readonly #bounds: LagBounds;
  readonly #standing = new Map<string, Standing>();
  #groupMovedMs: number | undefined;
  /** The oldest first. */
  #looks: readonly { readonly atMs: number; readonly records: ReadonlyMap<string, number> }[] = [];

  constructor(bounds: LagBounds) {
    this.#bounds = bounds;
  }

  add({ atMs, members, partitions }: LagSample): readonly JudgedLag[] {
    const waiting = partitions.some(({ records }) => records > 0);
    const moved = partitions.filter((partition) => this.#look(partition, atMs));
    if (moved.length > 0 || !waiting) this.#groupMovedMs = atMs;
    this.#groupMovedMs ??= atMs;
    const groupStillMs = atMs - this.#groupMovedMs;
    const look = { atMs, records: new Map(partitions.map((each) => [nameOf(each), each.records])) };
    this.#looks = [...this.#looks.filter((each) => atMs - each.atMs <= GROWTH_WITHIN_MS), look];
    return partitions.map((partition) => ({
      ...partition,
      ...this.#judge(partition, { members, groupStillMs, atMs }),
    }));
  }

  /** Whether it has moved since the last look. */
  #look(partition: PartitionLag, atMs: number): boolean {
    const name = nameOf(partition);
    const last = this.#standing.get(name);
    const moved = last !== undefined && last.committed !== partition.committed;
    if (last === undefined || moved || partition.records === 0) {
      this.#standing.set(name, { committed: partition.committed, sinceMs: atMs });
    }
    return moved;
  }

  #judge(
    partition: PartitionLag,
    group: { readonly members: number; readonly groupStillMs: number; readonly atMs: number },
  ): { readonly state: LagState; readonly reason: string } {
    const { committed, records, missing, forgotten, seconds } = partition;
    if (missing > 0) {
      return { state: 'STALLED', reason: `a gap: ${missing} offsets from ${committed} on are not there` };
    }
    if (forgotten) {
      return { state: 'STALLED', reason: 'a gap: how far the group was is lost; was the topic made again?' };
    }
    if (records === 0) return { state: 'OK', reason: '' };
    if (group.members === 0) {
      const reason = committed === null ? 'nobody has ever followed' : 'nobody follows now';
      return { state: 'STALLED', reason };
    }
    const stillMs = group.atMs - (this.#standing.get(nameOf(partition))?.sinceMs ?? group.atMs);
    if (group.groupStillMs >= GROUP_STALLS_AFTER_MS || stillMs >= PARTITION_STALLS_AFTER_MS) {
      const stillSeconds = Math.floor(Math.max(stillMs, group.groupStillMs) / 1_000);
      return { state: 'STALLED', reason: `nothing committed for ${stillSeconds} s` };
    }
    if (seconds > this.#bounds.maxSeconds) return { state: 'SLOW', reason: 'waiting for too long' };
    const before = this.#looks[0]?.records.get(nameOf(partition)) ?? records;
    if (records > before && seconds > GROWTH_MATTERS_AFTER_SECONDS) {
      return { state: 'SLOW', reason: 'more comes than goes' };
    }
    return { state: 'OK', reason: '' };
  }
}

function nameOf({ kind, partition }: { readonly kind: Kind; readonly partition: number }): string {
  return `${kind} ${partition}`;
}

const WEIGHT: Readonly<Record<LagState, number>> = { OK: 0, SLOW: 1, STALLED: 2 };

export function worstOf(judged: readonly JudgedLag[]): LagState {
  return judged.reduce<LagState>((worst, { state }) => (WEIGHT[state] > WEIGHT[worst] ? state : worst), 'OK');
}
