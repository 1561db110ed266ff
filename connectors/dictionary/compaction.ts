import { readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Logger } from '../../core/logger.ts';
import { writeCompacted } from './compacted-versions.ts';
import { isMissing, translated } from './errors.ts';
import { createJournal, type JournalHeader, readJournalHeader } from './journal.ts';
import { type CompactedFiles, encodeCompaction } from './journal-entries.ts';
import { catchUp } from './open-snapshot.ts';
import { Overlay } from './overlay.ts';
import { type DictionaryPaths, syncFolder } from './paths.ts';
import type { Snapshot } from './snapshot.ts';
import { openIfThere } from './versions-file.ts';

/**
 * Folds the journal into the base and the versions file, in steps after each of which the process may die:
 *
 * 1. write    both files of the next generation under names of their own, durable. Until here nothing has happened.
 * 2. announce them by the last frame of the journal, durable. From here on the next generation is what holds:
 *             who finds the announcement finishes the steps behind it, or reads the files by the names that it gives.
 * 3. rename   the versions, then the base. Each is harmless to repeat.
 * 4. restart  an empty journal takes the old one's place.
 *
 * Without the announcement there would be a moment between the two renames at which the base of one generation stands
 * beside the versions of another, and a tie whose agent has just come or gone stands in neither.
 */
export interface CompactionStep {
  readonly name: 'write' | 'announce' | 'rename-versions' | 'rename-base' | 'restart';
  run(): Promise<void>;
}

interface CompactionOptions {
  readonly paths: DictionaryPaths;
  readonly snapshot: Snapshot;
  readonly header: JournalHeader;
  readonly maxAgentBytes: number;
  readonly logger: Logger;
  /** Appends a frame to the journal. */
  readonly appendFrame: (payload: Uint8Array) => Promise<void>;
}

export function compactionSteps(options: CompactionOptions): readonly CompactionStep[] {
  const { paths, header, appendFrame } = options;
  const files = nextNames(paths, header.generation + 1);
  return [
    {
      name: 'write',
      run: () =>
        writeCompacted({
          ...options,
          basePath: join(paths.folder, files.base),
          versionsPath: join(paths.folder, files.versions),
        }),
    },
    { name: 'announce', run: () => appendFrame(encodeCompaction(files)) },
    ...finishingSteps(paths, header, files),
  ];
}

function finishingSteps(
  paths: DictionaryPaths,
  header: JournalHeader,
  files: CompactedFiles,
): readonly CompactionStep[] {
  return [
    { name: 'rename-versions', run: () => renameIfThere(join(paths.folder, files.versions), paths.versions) },
    { name: 'rename-base', run: () => renameIfThere(join(paths.folder, files.base), paths.base) },
    {
      name: 'restart',
      run: async () => {
        await syncFolder(paths.folder);
        await createJournal(paths.journal, header, header.generation + 1);
      },
    },
  ];
}

export async function runSteps(paths: DictionaryPaths, steps: readonly CompactionStep[]): Promise<void> {
  for (const step of steps) await translated(`fold the journal into ${paths.base} (${step.name})`, step.run);
}

/**
 * For the owner, before it opens anything: finishes a compaction that was announced, and removes what one that was not
 * has left.
 */
export async function recoverCompaction(paths: DictionaryPaths, logger: Logger): Promise<void> {
  const file = await translated(`open the journal ${paths.journal}`, () => openIfThere(paths.journal));
  if (file === undefined) return;
  try {
    const header = await readJournalHeader(file, paths.journal);
    const journal = { file, header, end: header.bytes, tornBytes: 0 };
    const files = await catchUp(paths, journal, new Overlay());
    if (files !== undefined) {
      logger.warn({ journal: paths.journal }, 'a compaction was interrupted; it is finished now');
      await runSteps(paths, finishingSteps(paths, header, files));
    }
  } finally {
    await file.close();
  }
  await removeLeftovers(paths);
}

const LEFTOVER = '.compacted-';

function nextNames(paths: DictionaryPaths, generation: number): CompactedFiles {
  const suffix = `${LEFTOVER}${generation}`;
  return { base: `${basename(paths.base)}${suffix}`, versions: `${basename(paths.versions)}${suffix}` };
}

/** Files of a next generation that was not announced. Only the owner may ask for it. */
export async function removeLeftovers(paths: DictionaryPaths): Promise<void> {
  const stems = [basename(paths.base), basename(paths.versions)].map((name) => `${name}${LEFTOVER}`);
  for (const name of await readdir(paths.folder)) {
    if (stems.some((stem) => name.startsWith(stem) && /^\d+$/.test(name.slice(stem.length))))
      await rm(join(paths.folder, name), { force: true });
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
