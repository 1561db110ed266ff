import type { CleanedStubs, PurgedKind } from '../work/purge.ts';
import { count, items, table } from './format.ts';
import { oneLine } from './one-line.ts';

const LONGEST_KEY = 60;

export function tombstoneTable(purged: readonly PurgedKind[], dryRun: boolean): string {
  return table(
    ['store', 'kind', 'tombstones', 'older', ...(dryRun ? [] : ['removed'])],
    purged.map(({ store, kind, all, older, removed }) => [
      store,
      kind,
      all,
      older,
      ...(dryRun ? [] : [removed]),
    ]),
  );
}

/** In sentences: there is one graph, or two. */
export function stubLines(cleaned: readonly CleanedStubs[], dryRun: boolean): string {
  return cleaned.flatMap((each) => linesOf(each, dryRun)).join('\n');
}

function linesOf(
  { store, idle, removed, awaited, deleted, examples }: CleanedStubs,
  dryRun: boolean,
): readonly string[] {
  const names = examples.map((key) => oneLine(key, LONGEST_KEY)).join(', ');
  const more = awaited > examples.length ? ', …' : '';
  return [
    `${store}: ${items(idle, 'idle stub')}, ${dryRun ? 'not removed' : `${count(removed)} removed`}`,
    `${store}: ${items(awaited, 'stub')} with relationships whose agent has not come${awaited === 0 ? '' : `: ${names}${more}`}`,
    `${store}: ${items(deleted, 'stub')} with relationships whose agent was deleted`,
  ];
}
