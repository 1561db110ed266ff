import { compareCodePoints } from '../../../core/text.ts';
import type { ScanRange } from '../../../schemas/scan-order.ts';
import type { DictionaryKind } from '../dictionary-kinds.ts';
import type { AgentIndex, IndexEntry } from './agent-index.ts';
import { Cursor } from './cursor.ts';
import type { Snapshot } from './snapshot.ts';
import { placeOf, type VersionLine } from './versions-file.ts';

/** All that a snapshot has under one id, of one kind. What the journal says of it is looked up when it is used. */
export interface Group {
  /** Empty for the stretches of the base that have no usable id. */
  readonly id: string;
  /** Its members in the base: the first counts. Of very many only the first stand here. */
  readonly entries: readonly IndexEntry[];
  readonly moreEntries: number;
  /** The first member's value; undefined where there is none to be read. */
  readonly bytes: Buffer | undefined;
  readonly lines: readonly VersionLine[];
}

type PartialGroup = Omit<Group, 'bytes'>;

/** How many agents, or bytes of them, are read from the base at once. */
const BATCH_GROUPS = 64;
const BATCH_BYTES = 2 * 1024 * 1024;
/** Of the members that share an id. Bounds the memory that a file of duplicates takes. */
const MOST_ENTRIES = 1000;

interface GroupsOptions {
  readonly snapshot: Snapshot;
  readonly index: AgentIndex;
  readonly kind: DictionaryKind;
  readonly range: ScanRange;
}

/** Walks the ids of a range in order: three sorted sequences merged, in bounded memory. */
export async function* groupsOf(options: GroupsOptions): AsyncGenerator<readonly Group[]> {
  const batch: PartialGroup[] = [];
  let bytes = 0;
  for await (const group of mergedById(options)) {
    batch.push(group);
    bytes += group.entries[0]?.length ?? 0;
    if (batch.length < BATCH_GROUPS && bytes < BATCH_BYTES) continue;
    yield await withBytes(options.snapshot, batch.splice(0));
    bytes = 0;
  }
  if (batch.length > 0) yield await withBytes(options.snapshot, batch);
}

async function* mergedById({ snapshot, index, kind, range }: GroupsOptions): AsyncGenerator<PartialGroup> {
  const from = range.after === null ? '' : String(range.after[0] ?? '');
  const until = range.until === null ? undefined : String(range.until[0] ?? '');
  const changed = snapshot.overlay.idsInOrder(kind);
  const base = index.lines.cursor([from]);
  const overlay = Cursor.of(changed.slice(firstNotBefore(changed, from)));
  const versions = snapshot.versions?.lines.cursor(placeOf(kind, from)) ?? Cursor.of<VersionLine>([]);
  try {
    for (;;) {
      if (base.waits) await base.load();
      if (overlay.waits) await overlay.load();
      if (versions.waits) await versions.load();
      const line = versions.head;
      const ofKind = line?.place[0] === kind ? String(line.place[1]) : undefined;
      const id = smallest([base.head?.id, overlay.head, ofKind]);
      if (id === undefined || (until !== undefined && compareCodePoints(id, until) > 0)) return;
      if (overlay.head === id) overlay.advance();
      const { entries, moreEntries } = await takeEntries(base, id);
      yield { id, entries, moreEntries, lines: ofKind === id ? await takeLines(versions, kind, id) : [] };
    }
  } finally {
    await Promise.all([base.close(), overlay.close(), versions.close()]);
  }
}

async function takeEntries(
  base: Cursor<IndexEntry>,
  id: string,
): Promise<Pick<Group, 'entries' | 'moreEntries'>> {
  const entries: IndexEntry[] = [];
  let moreEntries = 0;
  for (let entry = base.head; entry?.id === id; entry = base.head) {
    if (entries.length < MOST_ENTRIES) entries.push(entry);
    else moreEntries++;
    base.advance();
    if (base.waits) await base.load();
  }
  return { entries, moreEntries };
}

async function takeLines(
  versions: Cursor<VersionLine>,
  kind: DictionaryKind,
  id: string,
): Promise<readonly VersionLine[]> {
  const lines: VersionLine[] = [];
  for (let line = versions.head; line?.place[0] === kind && line.place[1] === id; line = versions.head) {
    lines.push(line);
    versions.advance();
    if (versions.waits) await versions.load();
  }
  return lines;
}

/** The groups of just these ids, in their order. Ids must be in order and different. */
export async function groupsOfIds(
  { snapshot, index, kind }: Omit<GroupsOptions, 'range'>,
  ids: readonly string[],
): Promise<readonly Group[]> {
  const entriesOfIds = await index.lines.find(ids.map((id) => [id]));
  const groups: PartialGroup[] = [];
  for (const [at, id] of ids.entries()) {
    const entries = entriesOfIds[at] ?? [];
    const lines =
      snapshot.versions === undefined
        ? []
        : await linesOf(snapshot.versions.lines.cursor(placeOf(kind, id)), kind, id);
    groups.push({ id, entries, moreEntries: 0, lines });
  }
  return withBytes(snapshot, groups);
}

async function linesOf(
  cursor: Cursor<VersionLine>,
  kind: DictionaryKind,
  id: string,
): Promise<readonly VersionLine[]> {
  await cursor.load();
  const lines = await takeLines(cursor, kind, id);
  await cursor.close();
  return lines;
}

async function withBytes(snapshot: Snapshot, groups: readonly PartialGroup[]): Promise<readonly Group[]> {
  const readable = groups.filter(({ entries: [first] }) => first !== undefined && first.reason === undefined);
  const bytes = await snapshot.base.read(readable.flatMap(({ entries }) => entries.slice(0, 1)));
  const bytesOf = new Map(readable.map((group, at) => [group, bytes[at]]));
  return groups.map((group) => ({ ...group, bytes: bytesOf.get(group) }));
}

function smallest(ids: readonly (string | undefined)[]): string | undefined {
  let least: string | undefined;
  for (const id of ids) {
    if (id !== undefined && (least === undefined || compareCodePoints(id, least) < 0)) least = id;
  }
  return least;
}

function firstNotBefore(ids: readonly string[], from: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareCodePoints(ids[middle] ?? '', from) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
