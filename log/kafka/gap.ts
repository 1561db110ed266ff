import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { PartitionPosition } from '../log.ts';

/**
 * Throws `gap` where a group cannot go on where it was: records that it had yet to read are gone. kafkajs would go to the
 * first record that is there, commit that, and say so in a line of its log. Asked before a member joins, so that the group's
 * own word still stands; it stands until somebody accepts the gap, however often the process is started.
 */
export function requireNoGap(
  positions: readonly PartitionPosition[],
  topics: ReadonlyMap<Kind, string>,
): void {
  const gaps = positions.flatMap(({ kind, partition, start, end, committed }) => {
    if (committed === null || (committed >= start && committed <= end)) return [];
    const what =
      committed < start
        ? `offsets ${committed} to ${start - 1} are missing`
        : `it ends at offset ${end}, before ${committed}, which was read last`;
    return [`${topics.get(kind)}, partition ${partition}: ${what}`];
  });
  if (gaps.length === 0) return;
  throw gapError(gaps.join('; '));
}

/** The error for records that are gone unread; `where` says of which topic, partition and offsets. */
export function gapError(where: string): ChangeoverError {
  return new ChangeoverError('gap', `The log has a gap: ${where}.`, {
    hint: 'Look at the retention of the topic and whether it was recreated. `changeover run --accept-gap` goes on at what is there; then backfill and validate.',
  });
}
