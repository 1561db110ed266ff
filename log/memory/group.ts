import type { Watchers } from '../../core/watchers.ts';

/** One partition of one topic, as a text: `t.agents/3`. */
export type Place = string;

export interface MemoryMember {
  /** Every partition of the topics that this member reads. */
  readonly wanted: readonly Place[];
  /** Called at each assignment, with the partitions that are now this member's. */
  assign(places: readonly Place[]): void;
  /** Resolves when it takes part in a new sharing out. */
  ready(): Promise<void>;
}

/**
 * A consumer group. Whenever a member comes or goes, a new generation begins as soon as all members are ready for it, in
 * which each partition has one owner that starts where the group has committed.
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

  /** Resolves when it has its part. */
  async join(member: MemoryMember): Promise<void> {
    this.#members = [...this.#members, member];
    const before = this.#generation;
    void this.#shareOut();
    while (this.#generation === before) await this.#watchers.changed();
  }

  leave(member: MemoryMember): void {
    if (!this.#members.includes(member)) return;
    member.assign([]);
    this.#members = this.#members.filter((other) => other !== member);
    void this.#shareOut();
  }

  async #shareOut(): Promise<void> {
    const members = this.#members;
    await Promise.all(members.map((member) => member.ready()));
    // Whoever has come or gone meanwhile has asked anew.
    if (members === this.#members) this.#share();
  }

  #share(): void {
    const members = this.#members;
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
