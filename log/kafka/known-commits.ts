import type { Place } from './member.ts';
import { placeOf } from './records.ts';
import type { Committed, Watermarks } from './watermarks.ts';

/** What the group has committed, as far as we know: also when kafkajs has replaced it. */
export class KnownCommits {
  readonly #committed = new Map<string, Committed>();
  /** In which it has committed anything. */
  readonly #topics = new Set<string>();

  of(place: string): Committed | undefined {
    return this.#committed.get(place);
  }

  /** What the brokers say now. */
  learn(watermarks: Watermarks): void {
    const { committed } = watermarks;
    if (typeof committed === 'object') this.#committed.set(placeOf(watermarks), committed);
  }

  learnTopics(watermarks: readonly Watermarks[]): void {
    for (const { topic, committed } of watermarks) {
      if (typeof committed !== 'object') continue;
      for (const each of [topic, ...committed.topics]) this.#topics.add(each);
    }
  }

  forgetTopics(): void {
    this.#topics.clear();
  }

  /**
   * What to commit in order to commit these. Beside each stands in which topics the group has committed; where that is
   * news, every other partition of ours says it again.
   */
  toCommit(
    offsets: readonly (Place & Pick<Committed, 'offset' | 'mark'>)[],
    ours: Iterable<Place>,
  ): readonly (Place & Committed)[] {
    const before = this.#topics.size;
    for (const { topic } of offsets) this.#topics.add(topic);
    const topics = [...this.#topics].sort();
    const commits = offsets.map((each) => ({ ...each, topics }));
    if (this.#topics.size === before) return commits;
    const named = new Set(offsets.map(placeOf));
    const others = Array.from(ours).flatMap(({ topic, partition }) => {
      const place = placeOf({ topic, partition });
      const committed = this.#committed.get(place);
      return committed === undefined || named.has(place) ? [] : [{ topic, partition, ...committed, topics }];
    });
    return [...commits, ...others];
  }

  /** The group has taken these commits. */
  note(commits: readonly (Place & Committed)[]): void {
    for (const { topic, partition, ...committed } of commits)
      this.#committed.set(placeOf({ topic, partition }), committed);
  }

  /** As if it had been committed, where nothing has. */
  orAt(place: string, offset: number): Committed {
    return this.#committed.get(place) ?? { offset, mark: null, topics: [...this.#topics] };
  }
}
