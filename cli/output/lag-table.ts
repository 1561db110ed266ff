import type { StoreLag } from '../work/lag.ts';
import { duration, items, table } from './format.ts';

const HEADER = ['group', 'topic', 'partition', 'records', 'oldest', 'state', ''];

/** One line for each partition in which records wait or are gone, one for each group that has no such partition. */
export function lagTable(lags: readonly StoreLag[]): string {
  return table(HEADER, lags.flatMap(linesOf));
}

function linesOf({ group, members, partitions }: StoreLag): readonly (readonly (string | number)[])[] {
  const waiting = partitions.filter(({ records, state }) => records > 0 || state === 'STALLED');
  if (waiting.length === 0) return [[group, 'all', 'all', 0, '', 'OK', membersText(members)]];
  return waiting.map(({ topic, partition, records, seconds, state, reason }) => [
    group,
    topic,
    String(partition),
    records,
    duration(seconds * 1_000),
    state,
    [reason, membersText(members)].filter((text) => text !== '').join('; '),
  ]);
}

function membersText(members: number): string {
  return members === 0 ? 'not running' : '';
}

/** `target.milvus OK; target.postgres SLOW, 12,000 records behind, the oldest waiting for 1 min 4 s` */
export function lagLine(lags: readonly StoreLag[]): string {
  return lags
    .map(({ store, state, records, seconds }) =>
      records === 0
        ? `${store} ${state}`
        : `${store} ${state}, ${items(records, 'record')} behind, the oldest waiting for ${duration(seconds * 1_000)}`,
    )
    .join('; ');
}

/** For scripts: the same for every partition, and numbers as numbers. */
export function lagJson(lags: readonly StoreLag[]): string {
  return JSON.stringify({ groups: lags });
}
