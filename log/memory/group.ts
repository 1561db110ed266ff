import type { Watchers } from '../../core/watchers.ts';

/** One partition of one topic, as a text: `t.agents/3`. */
export type Place = string;

export interface MemoryMember {
  /** Every partition of the topics that this member reads. */
  readonly wanted: readonly Place[];
  /** Called at each assignment, with the partitions that are now this member's. */
  assign(places: readonly Place[]): void;
}

/**
 * A consumer group. Whenever a member comes or goes, a new generation begins, in which each partition has one owner
 * that starts where the group has committed.
 */
export class MemoryGroup {
  /** The offset to read next. */
  readonly committed = new Map<Place, number>();
  readonly #watchers: Watchers;
  #members: readonly MemoryMember[] = [];
  #generation = 0;

  constructor(watchers: Watchers) {
    this.#watchers = watchers;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Members at the moment. */
  get size(): number {
    return this.#members.length;
  }

  join(member: MemoryMember): void {
    this.#share([...this.#members, member]);
  }

  leave(member: MemoryMember): void {
    if (!this.#members.includes(member)) return;
    member.assign([]);
    this.#share(this.#members.filter((other) => other !== member));
  }

  #share(members: readonly MemoryMember[]): void {
    this.#members = members;
    this.#generation += 1;
    const shares = new Map<MemoryMember, Place[]>(members.map((member) => [member, []]));
    const places = new Set(members.flatMap((member) => member.wanted));
    for (const [index, place] of [...places].sort().entries()) {
      const candidates = members.filter((member) => member.wanted.includes(place));
      const owner = candidates[index % candidates.length];
      if (owner !== undefined) shares.get(owner)?.push(place);
    }
    for (const [member, share] of shares) member.assign(share);
    this.#watchers.wake();
  }
}
