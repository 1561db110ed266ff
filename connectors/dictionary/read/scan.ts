import { compareCodePoints } from '../../../core/text.ts';
import { keyOf, type ScanKey, scanKeyOf } from '../../../schemas/keys.ts';
import { isInRange, type ScanRange, WHOLE_RANGE } from '../../../schemas/scan-order.ts';
import type { RejectedItem, ScanChunk, ScanOptions, SourceRow } from '../../connector.ts';
import type { DictionaryKind } from '../dictionary-kinds.ts';
import type { AgentIndex } from './agent-index.ts';
import { agentOf, tiesOf } from './group-rows.ts';
import { type Group, groupsOf } from './groups.ts';
import type { Snapshot } from './snapshot.ts';

/** The rows of one id in scan order, and what of it cannot be moved. */
interface Found<K extends DictionaryKind> {
  readonly rows: readonly SourceRow<K>[];
  readonly rejected: readonly RejectedItem[];
}

type Finder<K extends DictionaryKind> = (snapshot: Snapshot, index: AgentIndex, group: Group) => Found<K>;

const FINDERS: { readonly [K in DictionaryKind]: Finder<K> } = {
  agent: (snapshot, _index, group) => {
    const { held, rejected } = agentOf(snapshot, group);
    const rows =
      held === undefined || held.entity === null
        ? []
        : [{ key: group.id, version: held.version, entity: held.entity }];
    return { rows, rejected };
  },
  relationship: (snapshot, index, group) => {
    const { held, rejected } = tiesOf(snapshot, index, group);
    const rows: SourceRow<'relationship'>[] = [];
    for (const { version, entity } of held.values()) {
      if (entity !== null) rows.push({ key: keyOf('relationship', entity), version, entity });
    }
    rows.sort(
      ({ entity: a }, { entity: b }) =>
        compareCodePoints(a.type, b.type) || compareCodePoints(a.target, b.target),
    );
    return { rows, rejected };
  },
};

interface ScanSnapshotOptions<K extends DictionaryKind> extends ScanOptions {
  readonly kind: K;
  readonly range: ScanRange;
}

/**
 * Walks one snapshot. What cannot be moved belongs to the place [id], before every row of that id: so it is reported
 * in exactly one of the ranges that cover the kind, and not again by a scan that goes on within the id.
 */
export async function* scanSnapshot<K extends DictionaryKind>(
  snapshot: Snapshot,
  { kind, range, limit, signal }: ScanSnapshotOptions<K>,
): AsyncGenerator<ScanChunk<K>> {
  const index = await snapshot.index();
  const find = FINDERS[kind] as Finder<K>;
  let rows: SourceRow<K>[] = [];
  let rejected: RejectedItem[] = [];
  let seen: ScanKey = [];
  const chunk = (last: ScanKey): ScanChunk<K> => {
    const taken = { rows, rejected, last };
    rows = [];
    rejected = [];
    return taken;
  };
  for await (const groups of groupsOf({ snapshot, index, kind, range })) {
    for (const group of groups) {
      signal?.throwIfAborted();
      let last: ScanKey = [group.id];
      const found = find(snapshot, index, group);
      if (isInRange(last, range)) for (const item of found.rejected) rejected.push(item);
      for (const row of found.rows) {
        const place = scanKeyOf(kind, row.entity);
        if (!isInRange(place, range)) continue;
        last = place;
        rows.push(row);
        if (rows.length >= limit) yield chunk(last);
      }
      if (rejected.length >= limit) yield chunk(last);
      seen = last;
    }
  }
  if (rows.length > 0 || rejected.length > 0) yield chunk(seen);
}

/** How many rows a scan of everything gives. */
export async function countRows(snapshot: Snapshot, kind: DictionaryKind): Promise<number> {
  let count = 0;
  for await (const chunk of scanSnapshot(snapshot, { kind, range: WHOLE_RANGE, limit: 1000 }))
    count += chunk.rows.length;
  return count;
}
