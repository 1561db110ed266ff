import { externalSort } from '../../../core/external-sort.ts';
import { compareCodePoints } from '../../../core/text.ts';
import { compareScanKeys } from '../../../schemas/scan-order.ts';
import { Cursor } from '../read/cursor.ts';
import { parseTieKey } from '../read/overlay.ts';
import type { Snapshot } from '../read/snapshot.ts';
import { carriedBy } from '../read/sorted-lines.ts';
import {
  agentPlace,
  contentOf,
  lineOf,
  parseLine,
  tiePlace,
  type VersionLine,
  versionsHeader,
} from '../read/versions-file.ts';
import { type CompactedBaseOptions, type WrittenBase, writeCompactedBase } from './compacted-base.ts';
import { type FilePrint, FileWriter } from './file-writer.ts';

interface WriteCompactedOptions extends Omit<CompactedBaseOptions, 'path' | 'written'> {
  readonly basePath: string;
  readonly versionsPath: string;
  readonly generation: number;
  /** Tombstones that are left out; none by default. */
  readonly forgets?: Forgets;
}

/** Whether what a line says need not be remembered any more. */
export type Forgets = (line: VersionLine) => boolean;

interface CompactedPrints {
  readonly base: FilePrint;
  readonly versions: FilePrint;
}

/** Writes both files of the next generation, durable, under the given names. Changes nothing that is in use. */
export async function writeCompacted(options: WriteCompactedOptions): Promise<CompactedPrints> {
  const { snapshot, basePath, versionsPath, generation, forgets = () => false } = options;
  const written: WrittenBase = { holding: new Set(), print: undefined };
  const homeless = writeCompactedBase({ ...options, path: basePath, written });
  const { mode } = await snapshot.base.handle.stat();
  const writer = await FileWriter.create(versionsPath, mode);
  try {
    // The first of them is there when the base is written to its end, so `written` is complete from here on.
    const orphans = new Cursor(asLines(externalSort(homeless, { compare: compareCodePoints })));
    await orphans.load();
    const { print, holding } = written;
    if (print === undefined) throw new Error(`${basePath} was not written to its end.`);
    await writer.write(versionsHeader({ generation, base: print }));
    for await (const line of mergedLines(snapshot, orphans, holding)) {
      if (line.deleted && forgets(line)) continue;
      await writer.write(`${lineOf(line)}\n`);
    }
    return { base: print, versions: await writer.finish() };
  } finally {
    await writer.close();
  }
}

async function* asLines(sorted: AsyncIterable<string>): AsyncGenerator<readonly VersionLine[]> {
  for await (const line of sorted) yield [parseLine(carriedBy(line))];
}

/** What is known of each key: the journal's word; else the version that was kept, with the tie that lost its agent. */
async function* mergedLines(
  snapshot: Snapshot,
  orphans: Cursor<VersionLine>,
  holding: ReadonlySet<string>,
): AsyncGenerator<VersionLine> {
  const kept = snapshot.versions?.lines.cursor(null) ?? Cursor.of<VersionLine>([]);
  const changed = Cursor.of(overlayLines(snapshot, holding));
  for (;;) {
    for (const cursor of [kept, changed, orphans]) if (cursor.waits) await cursor.load();
    const heads = [kept.head, changed.head, orphans.head].filter((line) => line !== undefined);
    const [first] = heads.sort((left, right) => compareScanKeys(left.place, right.place));
    if (first === undefined) return;
    const [old, word, orphan] = [kept, changed, orphans].map((cursor) => takeAt(cursor, first));
    const line = word ?? withoutWord(old, orphan, holding);
    if (line !== undefined) yield line;
  }
}

function takeAt(cursor: Cursor<VersionLine>, { place }: VersionLine): VersionLine | undefined {
  const { head } = cursor;
  if (head === undefined || compareScanKeys(head.place, place) !== 0) return undefined;
  cursor.advance();
  return head;
}

function withoutWord(
  old: VersionLine | undefined,
  orphan: VersionLine | undefined,
  holding: ReadonlySet<string>,
): VersionLine | undefined {
  if (orphan !== undefined) return { ...orphan, version: old?.version ?? null };
  if (old === undefined || old.content === null || !holding.has(String(old.place[1]))) return old;
  return old.version === null ? undefined : { ...old, content: null };
}

function overlayLines({ overlay }: Snapshot, holding: ReadonlySet<string>): readonly VersionLine[] {
  const lines: VersionLine[] = [];
  for (const [id, { version, entity }] of overlay.agents)
    lines.push({ place: agentPlace(id), version, deleted: entity === null, content: null });
  for (const [source, ties] of overlay.ties) {
    for (const [key, { version, entity }] of ties) {
      const content = entity === null || holding.has(source) ? null : contentOf(entity);
      lines.push({
        place: tiePlace({ source, ...parseTieKey(key) }),
        version,
        deleted: entity === null,
        content,
      });
    }
  }
  return lines.sort((left, right) => compareScanKeys(left.place, right.place));
}
