import { ChangeoverError } from '../../core/errors.ts';
import type { Watermarks } from './watermarks.ts';

/**
 * Throws `gap` where a group cannot go on where it was: records that it had yet to read are gone. kafkajs would go to the
 * first record that is there, commit that, and say so in a line of its log. Asked before a member joins, so that the group's
 * own word still stands; it stands until somebody accepts the gap, however often the process is started.
 */
export function requireNoGap(watermarks: readonly Watermarks[]): void {
  const forgotten = forgottenTopics(watermarks);
  const gaps = watermarks.flatMap((each) => gapIn(each, forgotten.has(each.topic)) ?? []);
  if (gaps.length > 0) throw gapError(gaps);
}

/**
 * Topics in which the group has committed, by what it says in others, and has nothing committed now. Kafka forgets how far
 * a group was when it deletes a topic, so one that was made again looks to it like one that it has never read.
 */
export function forgottenTopics(watermarks: readonly Watermarks[]): ReadonlySet<string> {
  const committed = watermarks.flatMap((each) =>
    typeof each.committed === 'object' ? [{ topic: each.topic, said: each.committed.topics }] : [],
  );
  const forgotten = new Set(committed.flatMap(({ said }) => said));
  for (const { topic } of committed) forgotten.delete(topic);
  return forgotten;
}

/** The gap before what a group has to read next in this partition; undefined where there is none. */
export function gapIn(watermarks: Watermarks, isForgotten: boolean): string | undefined {
  const { committed } = watermarks;
  if (committed === 'never') {
    if (!isForgotten) return undefined;
    return gapText(
      watermarks,
      'the group has read this topic, and Kafka has forgotten how far: the topic was deleted and made again',
    );
  }
  if (committed !== 'reset') return gapAt(watermarks, committed.offset);
  return gapText(
    watermarks,
    'the place of the group was lost when its records were; what is there begins at ' +
      `offset ${watermarks.start}`,
  );
}

/** The gap between what has to be read next and what there is. */
export function gapAt(
  watermarks: Pick<Watermarks, 'topic' | 'partition' | 'start' | 'end'>,
  next: number,
): string | undefined {
  const { start, end } = watermarks;
  if (next < start) return gapText(watermarks, missing(next, start));
  if (next > end) {
    return gapText(
      watermarks,
      `it ends at offset ${end}, before ${next}, where reading was to go on: it was cut off, or the topic was recreated`,
    );
  }
  return undefined;
}

/** The gap where reading goes on at another offset than it has to. */
export function jumpText(
  place: Pick<Watermarks, 'topic' | 'partition'>,
  next: number,
  found: number,
): string {
  return gapText(
    place,
    found > next
      ? missing(next, found)
      : `it goes on at offset ${found} instead of ${next}: it was cut off, or the topic was recreated`,
  );
}

/** The gap where the record before the next one is another than the one that was read there. */
export function rewrittenText(place: Pick<Watermarks, 'topic' | 'partition'>, offset: number): string {
  return gapText(
    place,
    `at offset ${offset} is another record than the one that was read there: the topic was recreated or rewritten, ` +
      'and whatever is in it below has not been read',
  );
}

function missing(from: number, to: number): string {
  return `offsets ${from} to ${to - 1} are missing`;
}

function gapText({ topic, partition }: Pick<Watermarks, 'topic' | 'partition'>, what: string): string {
  return `${topic}, partition ${partition}: ${what}`;
}

/** The error for records that are gone unread; each text says of which topic, partition and offsets. */
export function gapError(gaps: readonly string[]): ChangeoverError {
  return new ChangeoverError('gap', `The log has a gap: ${gaps.join('; ')}.`, {
    hint: 'Look at the retention of the topic and whether it was recreated. `changeover run --accept-gap` goes on at what is there; then backfill, and validate, which also names deletes that were missed.',
  });
}
