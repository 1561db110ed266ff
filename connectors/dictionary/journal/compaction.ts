import { readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Logger } from '../../../core/logger.ts';
import { handOnOutbox } from '../capture/hand-on-outbox.ts';
import { notAsAnnounced, translated } from '../errors.ts';
import { type DictionaryPaths, openIfThere, syncFolder } from '../paths.ts';
import { catchUp } from '../read/open-snapshot.ts';
import { Overlay } from '../read/overlay.ts';
import { journalAtStart, type Snapshot } from '../read/snapshot.ts';
import { type Forgets, writeCompacted } from './compacted-versions.ts';
import { type CompactedFile, type CompactedFiles, encodeCompaction } from './entries.ts';
import { hasContent } from './file-writer.ts';
import { createJournal, type JournalHeader, readJournalHeader } from './journal.ts';

/**
 * Folds the journal into the base and the versions file, in steps after each of which the process may die:
 *
 * 1. write    both files of the next generation under names of their own, durable, names too. Until here nothing has
 *             happened.
 * 2. announce them, with size and checksum, by the last frame of the journal, durable. From here on the next generation
 *             is what holds: who finds the announcement finishes the steps behind it, or reads the files by the names
 *             that it gives.
 * 3. rename   the versions, then the base.
 * 4. restart  a new journal takes the old one's place, which is the only other copy: so who finishes what another
 *             has begun makes sure first that both files are there, by either name, to the last byte. In it is what
 *             the old one had of the outbox and the log has not confirmed (hand-on-outbox.ts).
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
  /** Tombstones that the next generation does without. */
  readonly forgets?: Forgets;
}

export function compactionSteps(options: CompactionOptions): readonly CompactionStep[] {
  const { paths, header, appendFrame } = options;
  const generation = header.generation + 1;
  const names = nextNames(paths, generation);
  const base = join(paths.folder, names.base);
  const versions = join(paths.folder, names.versions);
  let files: CompactedFiles | undefined;
  return [
    {
      name: 'write',
      run: async () => {
        const prints = await writeCompacted({
          ...options,
          generation,
          basePath: base,
          versionsPath: versions,
        });
        // An announcement that outlives the names that it gives would be of nothing.
        await syncFolder(paths.folder);
        files = {
          base: { name: names.base, ...prints.base },
          versions: { name: names.versions, ...prints.versions },
        };
      },
    },
    {
      name: 'announce',
      run: async () => {
        if (files === undefined) throw new Error('There is nothing to be announced.');
        await appendFrame(encodeCompaction(files));
      },
    },
    ...finishingSteps(paths, header, { base, versions }),
  ];
}

/** Where the announced files stand; undefined for one that has its final name already. */
interface Pending {
  readonly base: string | undefined;
  readonly versions: string | undefined;
}

function finishingSteps(
  paths: DictionaryPaths,
  header: JournalHeader,
  { base, versions }: Pending,
): readonly CompactionStep[] {
  const moved = async (from: string | undefined, to: string): Promise<void> => {
    if (from !== undefined) await rename(from, to);
  };
  return [
    { name: 'rename-versions', run: () => moved(versions, paths.versions) },
    { name: 'rename-base', run: () => moved(base, paths.base) },
    {
      name: 'restart',
      run: async () => {
        await syncFolder(paths.folder);
        await createJournal(paths.journal, header, header.generation + 1, (append) =>
          handOnOutbox(paths, append),
        );
      },
    },
  ];
}

/** Throws `mismatch` unless both files are there to the last byte: till then the journal has the only copy of them. */
async function pendingFiles(paths: DictionaryPaths, { base, versions }: CompactedFiles): Promise<Pending> {
  const pending = async (file: CompactedFile, finalPath: string): Promise<string | undefined> => {
    const path = join(paths.folder, file.name);
    if (await hasContent(path, file)) return path;
    if (await hasContent(finalPath, file)) return undefined;
    throw notAsAnnounced(paths.base, file.name);
  };
  return { versions: await pending(versions, paths.versions), base: await pending(base, paths.base) };
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
    const files = await catchUp(paths, journalAtStart(file, header), new Overlay());
    if (files !== undefined) {
      const pending = await translated(`finish the compaction of ${paths.base}`, () =>
        pendingFiles(paths, files),
      );
      logger.warn({ journal: paths.journal }, 'a compaction was interrupted; it is finished now');
      await runSteps(paths, finishingSteps(paths, header, pending));
    }
  } finally {
    await file.close();
  }
  await removeLeftovers(paths);
}

const LEFTOVER = '.compacted-';

function nextNames(
  paths: DictionaryPaths,
  generation: number,
): { readonly base: string; readonly versions: string } {
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
