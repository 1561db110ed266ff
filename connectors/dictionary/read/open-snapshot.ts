import { type FileHandle, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ChangeoverError } from '../../../core/errors.ts';
import { isMissing, notAsAnnounced, notOfOneMoment, notTheirBase, translated } from '../errors.ts';
import { type CompactedFiles, decodeRecord } from '../journal/entries.ts';
import { isSamePrint } from '../journal/file-writer.ts';
import { frameBytes, readFrames } from '../journal/frames.ts';
import { readJournalHeader } from '../journal/journal.ts';
import { type DictionaryPaths, openIfThere } from '../paths.ts';
import type { AgentIndexOptions } from './agent-index.ts';
import { BaseFile, identityOf, isSame } from './base-file.ts';
import { Overlay } from './overlay.ts';
import { journalAtStart, type OpenJournal, Snapshot } from './snapshot.ts';
import { takeOver } from './take-over.ts';
import { VersionsFile } from './versions-file.ts';

const ATTEMPTS = 20;

export interface OpenSnapshotOptions extends AgentIndexOptions {
  /** The journal is opened for writing too. */
  readonly writable?: boolean;
}

/**
 * Opens the state that the files say. Safe beside a writer that compacts at that moment: a compaction announces itself
 * in the journal before it replaces a file (compaction.ts), and the journal is read after the others were opened. So a
 * journal without that announcement belongs to the files that were opened; one with it says by which names the next
 * files go, whether they were renamed yet or not.
 */
export async function openSnapshot(paths: DictionaryPaths, options: OpenSnapshotOptions): Promise<Snapshot> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const snapshot = await tryOpen(paths, options);
    if (snapshot !== undefined) return snapshot;
  }
  throw new ChangeoverError('conflict', `The dictionary ${paths.base} is being replaced again and again.`, {
    hint: 'Try again when its owner is less busy.',
    retryable: true,
  });
}

/** Undefined when the files were replaced meanwhile. */
async function tryOpen(paths: DictionaryPaths, options: OpenSnapshotOptions): Promise<Snapshot | undefined> {
  await using opened = new AsyncDisposableStack();
  const keep = <T extends { close(): Promise<void> } | undefined>(file: T): T => {
    if (file !== undefined) opened.defer(() => file.close());
    return file;
  };
  const file = await translated(`open the journal ${paths.journal}`, () =>
    openIfThere(paths.journal, options.writable === true ? 'r+' : 'r'),
  );
  keep(file);
  const overlay = new Overlay();
  const versions = keep(await VersionsFile.open(paths.versions));
  const base = keep(await BaseFile.open(paths.base, options.temporaryFolder));
  if (file === undefined) {
    if (await isThere(paths.journal)) return undefined;
    assertPair(base, versions);
    opened.move();
    return new Snapshot({ base, versions, journal: undefined, overlay }, options);
  }
  const header = await readJournalHeader(file, paths.journal);
  const journal = journalAtStart(file, header);
  const compacted = await catchUp(paths, journal, overlay);
  if (compacted === undefined) {
    const generation = versions?.generation ?? 0;
    if (header.generation !== generation) throw notOfOneMoment(paths.base, header.generation, generation);
    assertPair(base, versions);
    opened.move();
    return new Snapshot({ base, versions, journal, overlay }, options);
  }
  const next = await openCompacted(paths, compacted, options, keep);
  if (!(await isCurrent(paths, journal))) return undefined;
  assertAnnounced(paths, compacted, next);
  opened.move();
  await base.close();
  await versions?.close();
  return new Snapshot({ ...next, journal, overlay: new Overlay() }, options);
}

interface Opened {
  readonly base: BaseFile;
  readonly versions: VersionsFile | undefined;
}

type Keep = <T extends { close(): Promise<void> } | undefined>(file: T) => T;

/** Each file by its new name, or by the final one where it was renamed already. */
async function openCompacted(
  paths: DictionaryPaths,
  { base: { name: baseName }, versions: { name: versionsName } }: CompactedFiles,
  { temporaryFolder }: OpenSnapshotOptions,
  keep: Keep,
): Promise<Opened> {
  const versions =
    (await VersionsFile.open(join(paths.folder, versionsName))) ?? (await VersionsFile.open(paths.versions));
  keep(versions);
  try {
    const base = await BaseFile.open(join(paths.folder, baseName), temporaryFolder);
    return { versions, base: keep(base) };
  } catch (error) {
    if (!isMissing(error)) throw error;
    return { versions, base: keep(await BaseFile.open(paths.base, temporaryFolder)) };
  }
}

/** What the sizes say at once. What the content says shows when the base is walked (members.ts). */
function assertPair(base: BaseFile, versions: VersionsFile | undefined): void {
  if (versions !== undefined && versions.base.bytes !== base.size) throw notTheirBase(base.path);
}

function assertAnnounced(
  paths: DictionaryPaths,
  announced: CompactedFiles,
  { base, versions }: Opened,
): void {
  const ours = versions !== undefined && isSamePrint(versions.base, announced.base);
  if (!ours || versions.bytes !== announced.versions.bytes)
    throw notAsAnnounced(paths.base, announced.versions.name);
  if (base.size !== announced.base.bytes) throw notAsAnnounced(paths.base, announced.base.name);
}

/** Takes over what the journal has gained. Answers the announcement of a compaction, when there is one. */
export async function catchUp(
  paths: DictionaryPaths,
  journal: OpenJournal,
  overlay: Overlay,
): Promise<CompactedFiles | undefined> {
  return translated(`read the journal ${paths.journal}`, async () => {
    const { size } = await journal.file.stat();
    const { salt } = journal.header;
    const frames = readFrames(journal.file, { path: paths.journal, salt, start: journal.end, size });
    for (;;) {
      const next = await frames.next();
      if (next.done === true) {
        journal.end = next.value.end;
        journal.tornBytes = next.value.tornBytes;
        return undefined;
      }
      const { offset, payload } = next.value;
      const record = decodeRecord(paths.journal, payload);
      if (record.type === 'compaction') {
        // Nothing can follow in this journal.
        journal.end = size;
        return record.files;
      }
      takeOver(record, overlay, journal.outbox);
      if (record.type === 'carried' || record.type === 'outbox')
        journal.outbox.handedOnEnd = offset + frameBytes(payload);
    }
  });
}

/** Do the names still lead to the files of this state? (Its journal may have grown.) */
export async function isUpToDate(paths: DictionaryPaths, snapshot: Snapshot): Promise<boolean> {
  return translated(`look at the dictionary ${paths.base}`, async () => {
    if (!isSame(await identityOf(paths.base, paths.base), snapshot.base.identity)) return false;
    if (snapshot.journal === undefined) return !(await isThere(paths.journal));
    return isCurrent(paths, snapshot.journal);
  });
}

function isCurrent(paths: DictionaryPaths, { file }: OpenJournal): Promise<boolean> {
  return isSameFile(paths.journal, file);
}

/** Does the name still lead to the file that is open? */
export async function isSameFile(path: string, file: FileHandle): Promise<boolean> {
  try {
    const [named, opened] = await Promise.all([stat(path), file.stat()]);
    return named.ino === opened.ino && named.dev === opened.dev;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
