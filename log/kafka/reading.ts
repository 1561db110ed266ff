import type { LogRecord } from '../log.ts';
import { forgottenTopics, gapAt, gapIn, jumpText, rewrittenText } from './gap.ts';
import { behindHidden, type Hidden } from './hidden.ts';
import { KnownCommits } from './known-commits.ts';
import { markOf } from './mark.ts';
import type { Place } from './member.ts';
import { placeOf } from './records.ts';
import type { Committed, Watermarks } from './watermarks.ts';

/** Where reading goes on in one partition of ours. */
interface State extends Place {
  /** The offset to be taken next. */
  next: number;
  /** Of the record before it, when we have taken that ourselves. */
  mark: string | null;
  /** What has to be read again first, and be the same. */
  check: { readonly offset: number; readonly mark: string } | undefined;
  /** The first offset that was there when the brokers were last asked. */
  start: number;
  /** `next` when the brokers were last asked, where there was something to read. */
  behindAt: number | undefined;
  /** What was passed over right before `next`; empty where a record is there. */
  hidden: { readonly from: number; readonly to: number };
}

const NOTHING_HIDDEN = { from: -1, to: -1 } as const;

export interface Seek extends Place {
  readonly offset: number;
}

export interface Plan {
  /** Where to begin in each partition. */
  readonly seeks: readonly Seek[];
  readonly gaps: readonly string[];
  /** Gaps that were accepted, and where reading begins instead. */
  readonly accepted: readonly { readonly gap: string; readonly seek: Seek }[];
}

export type Take<R> =
  | { readonly is: 'taken'; readonly records: readonly R[] }
  | { readonly is: 'gap'; readonly gap: string }
  /** The gap was accepted; reading begins again there. */
  | { readonly is: 'accepted'; readonly gap: string; readonly seek: Seek };

/**
 * Knows what has to come next in each partition, and what the group has committed, so that nothing goes missing unseen.
 *
 * In each generation the first thing that is read is the record before the place that was committed: it has to be the one
 * that the group has read there. A gap may be accepted until a partition has once been found whole, never after.
 */
export class Reading {
  readonly #acceptGap: boolean;
  readonly #commits = new KnownCommits();
  /** Where reading began in place of what the group had committed, for as long as that stands. */
  readonly #begun = new Map<
    string,
    { readonly committed: number | undefined; readonly at: number; readonly gap: string | undefined }
  >();
  /** Partitions where a gap is not accepted any more. */
  readonly #whole = new Set<string>();
  readonly #states = new Map<string, State>();

  constructor(acceptGap: boolean) {
    this.#acceptGap = acceptGap;
  }

  /** The generation is over. What the group has committed, and what was accepted, stands. */
  clear(): void {
    this.#states.clear();
    this.#commits.forgetTopics();
  }

  /**
   * Where a member has to begin at once to go past a gap that is accepted. By itself kafkajs would find out, and commit
   * "the beginning" in its own time, maybe over what we have committed.
   */
  pastGaps(watermarks: readonly Watermarks[]): readonly Seek[] {
    const forgotten = forgottenTopics(watermarks);
    return watermarks.flatMap((each) => {
      if (!this.#mayAccept(placeOf(each)) || gapIn(each, forgotten.has(each.topic)) === undefined) return [];
      return [{ topic: each.topic, partition: each.partition, offset: each.start }];
    });
  }

  /** Begins a generation with these partitions. */
  begin(assigned: readonly Place[], watermarks: readonly Watermarks[]): Plan {
    const ours = new Set(assigned.map(placeOf));
    const forgotten = forgottenTopics(watermarks);
    this.#commits.learnTopics(watermarks);
    const plan = { seeks: [] as Seek[], gaps: [] as string[], accepted: [] as Plan['accepted'][number][] };
    for (const each of watermarks) {
      if (!ours.has(placeOf(each))) continue;
      const { gap, accepted, state } = this.#begin(each, forgotten.has(each.topic));
      if (gap !== undefined) plan.gaps.push(gap);
      const { topic, partition, start } = each;
      if (accepted !== undefined)
        plan.accepted.push({ gap: accepted, seek: { topic, partition, offset: start } });
      plan.seeks.push({ topic, partition, offset: state.check?.offset ?? state.next });
    }
    return plan;
  }

  #begin(
    watermarks: Watermarks,
    isForgotten: boolean,
  ): { gap?: string | undefined; accepted?: string | undefined; state: State } {
    const place = placeOf(watermarks);
    const { topic, partition, start } = watermarks;
    const state: State = {
      topic,
      partition,
      next: start,
      mark: null,
      check: undefined,
      start,
      behindAt: undefined,
      hidden: NOTHING_HIDDEN,
    };
    this.#states.set(place, state);
    const { committed } = watermarks;
    const known = this.#commits.of(place);
    this.#commits.learn(watermarks);
    const group = this.#commits.of(place);
    const begun = this.#begun.get(place);
    if (begun !== undefined && begun.committed === group?.offset) {
      state.next = begun.at;
      // What was accepted is not committed yet: the generation may have ended first.
      return { gap: gapAt(watermarks, begun.at), accepted: begun.gap, state };
    }
    const gap =
      committed === 'never' && known !== undefined && known.offset !== start
        ? jumpText(watermarks, known.offset, start)
        : gapIn({ ...watermarks, committed: group ?? committed }, isForgotten);
    if (gap === undefined && group !== undefined) {
      state.next = group.offset;
      if (group.mark !== null && group.offset > start) {
        state.check = { offset: group.offset - 1, mark: group.mark };
      } else this.#whole.add(place);
      return { state };
    }
    if (gap !== undefined && !this.#mayAccept(place)) return { gap, state };
    this.#beginAt(place, start, gap);
    return { accepted: gap, state };
  }

  #mayAccept(place: string): boolean {
    return this.#acceptGap && !this.#whole.has(place);
  }

  #beginAt(place: string, at: number, gap: string | undefined): void {
    this.#begun.set(place, { committed: this.#commits.of(place)?.offset, at, gap });
    this.#whole.add(place);
  }

  /** What of these records is new to us; they follow each other, and `nextOffset` comes behind them. */
  take<R extends Pick<LogRecord, 'offset' | 'key' | 'value' | 'timestampMs'>>(
    {
      topic,
      partition,
      hidden = [],
      nextOffset,
    }: Place & { readonly hidden?: readonly number[]; readonly nextOffset: number },
    records: readonly R[],
  ): Take<R> {
    const place = placeOf({ topic, partition });
    const state = this.#states.get(place);
    const [first] = records;
    const last = records.at(-1);
    if (state === undefined || first === undefined || last === undefined) return { is: 'taken', records };
    const { check, next } = state;
    state.check = undefined;
    const isAgain = check !== undefined && first.offset === check.offset;
    if (isAgain && markOf(first) !== check.mark) return this.#rewritten(state, check.offset);
    const fresh = isAgain ? records.slice(1) : records;
    const found = fresh[0]?.offset;
    if (found !== undefined && found !== behindHidden(next, hidden)) {
      return { is: 'gap', gap: jumpText(state, next, found) };
    }
    this.#whole.add(place);
    state.hidden = { from: last.offset + 1, to: nextOffset };
    state.next = nextOffset;
    state.mark = markOf(last);
    return { is: 'taken', records: fresh };
  }

  /**
   * Goes on behind what is no record. Answers what to commit, where the group had committed everything before (`reached`: or is
   * about to): no record need follow with which it would get there.
   */
  pass(
    { topic, partition, from, to }: Hidden,
    reached: number | undefined,
  ): (Place & Pick<Committed, 'offset' | 'mark'>) | undefined {
    const place = placeOf({ topic, partition });
    const state = this.#states.get(place);
    if (state === undefined) return undefined;
    const { check, next, hidden, start, mark } = state;
    if (check !== undefined && check.offset >= from && check.offset < to) state.check = undefined;
    if (from > next || to <= next) return undefined;
    const passed = { from: hidden.to === next ? hidden.from : next, to };
    state.hidden = passed;
    state.next = to;
    const group = this.#commits.of(place);
    const committed = reached ?? group?.offset ?? start;
    if (committed < passed.from || committed >= to) return undefined;
    return { topic, partition, offset: to, mark: mark ?? group?.mark ?? null };
  }

  /** Where reading goes on once the record before this offset has been dealt with: behind what is no record. */
  nextAfter(place: Place, offset: number): number {
    const hidden = this.#states.get(placeOf(place))?.hidden;
    return hidden?.from === offset ? hidden.to : offset;
  }

  #rewritten(state: State, offset: number): Take<never> {
    const place = placeOf(state);
    const gap = rewrittenText(state, offset);
    if (!this.#mayAccept(place)) return { is: 'gap', gap };
    this.#beginAt(place, state.start, gap);
    state.next = state.start;
    const { topic, partition, start } = state;
    return { is: 'accepted', gap, seek: { topic, partition, offset: start } };
  }

  /** What to commit in order to commit these, with what the group has to remember. */
  toCommit(offsets: readonly (Place & Pick<Committed, 'offset' | 'mark'>)[]): readonly (Place & Committed)[] {
    return this.#commits.toCommit(offsets, this.#states.values());
  }

  /** The group has taken these commits. */
  noteCommitted(commits: readonly (Place & Committed)[]): void {
    this.#commits.note(commits);
  }

  /** What the group has to have committed, for it to know after a gap where it was. */
  lastCommitted(): readonly (Place & Committed)[] {
    return Array.from(this.#states, ([key, { topic, partition, start }]) => {
      const offset = this.#begun.get(key)?.at ?? start;
      return { topic, partition, ...this.#commits.orAt(key, offset) };
    });
  }

  /** Where each partition is now, to be compared with what the brokers say afterwards. */
  positions(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#states, ([place, { next }]) => [place, next]));
  }

  /** Gaps that the brokers' answer shows; `before` is where each partition was when they were asked. */
  overtaken(watermarks: readonly Watermarks[], before: ReadonlyMap<string, number>): readonly string[] {
    return watermarks.flatMap((each) => {
      const place = placeOf(each);
      const now = this.#states.get(place)?.next;
      const then = before.get(place);
      if (now === undefined || then === undefined) return [];
      // What we have taken meanwhile may have expired since, and be more than there was when they were asked.
      if (now < each.start) return gapAt(each, now) ?? [];
      return then > each.end ? (gapAt(each, then) ?? []) : [];
    });
  }

  /**
   * Partitions in which there is something to read, and was when this was last asked, and nothing has been taken in
   * between.
   */
  stalled(watermarks: readonly Watermarks[]): readonly string[] {
    return watermarks.flatMap((each) => {
      const state = this.#states.get(placeOf(each));
      if (state === undefined) return [];
      state.start = each.start;
      const isBehind = each.end > state.next;
      const wasBehindAt = state.behindAt;
      state.behindAt = isBehind ? state.next : undefined;
      return isBehind && wasBehindAt === state.next ? [`${each.topic}, partition ${each.partition}`] : [];
    });
  }

  /** Reads the last record of each partition again: a topic that is made anew under a reader has another one there. */
  readLastAgain(): readonly Seek[] {
    return Array.from(this.#states.values()).flatMap((state) => {
      const { topic, partition, next, start, mark, check } = state;
      if (next <= start || mark === null || check !== undefined) return [];
      state.check = { offset: next - 1, mark };
      return [{ topic, partition, offset: next - 1 }];
    });
  }
}
