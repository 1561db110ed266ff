import { ChangeoverError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { OutboxTally } from '../capture/outbox-tally.ts';
import { damageError, translated } from '../errors.ts';
import type { DictionaryOptions } from '../options.ts';
import type { DictionaryPaths } from '../paths.ts';
import { identityOf, isSame } from '../read/base-file.ts';
import { membersOf } from '../read/members.ts';
import { openSnapshot } from '../read/open-snapshot.ts';
import type { OpenJournal, Snapshot } from '../read/snapshot.ts';
import type { PrepareOptions } from '../schema.ts';
import { encodeChanges } from './entries.ts';
import { Journal, type JournalHeader } from './journal.ts';

export interface WritableOptions extends PrepareOptions {
  readonly settings: DictionaryOptions;
  readonly logger: Logger;
}

/** The present state, and the journal to which its successors are appended. */
export interface Writable {
  readonly snapshot: Snapshot;
  readonly header: JournalHeader;
  readonly journal: Journal;
  readonly tally: OutboxTally;
  readonly cutBytes: number;
}

/** Opens the present state with the lock held. What a crash left at the journal's end is cut, and reported. */
export async function openForWriting({ paths, settings, logger }: WritableOptions): Promise<Writable> {
  const snapshot = await openSnapshot(paths, {
    maxAgentBytes: settings.maxAgentBytes,
    temporaryFolder: settings.temporaryFolder,
    writable: true,
  });
  try {
    if (snapshot.base.compressed) throw packedError(paths);
    if (snapshot.journal === undefined) throw new Error(`${paths.journal} has vanished.`);
    const { file, header, end, tornBytes, outbox } = snapshot.journal;
    if (tornBytes > 0) await cutTail(paths, snapshot.journal, logger);
    const journal = new Journal({
      path: paths.journal,
      file,
      salt: header.salt,
      end,
      payloadOf: encodeChanges,
    });
    return { snapshot, header, journal, tally: outbox, cutBytes: tornBytes };
  } catch (error) {
    await snapshot.release();
    throw error;
  }
}

async function cutTail(paths: DictionaryPaths, journal: OpenJournal, logger: Logger): Promise<void> {
  await translated(`write the journal ${paths.journal}`, async () => {
    await journal.file.truncate(journal.end);
    await journal.file.sync();
  });
  logger.warn(
    { journal: paths.journal, byte: journal.end, cutBytes: journal.tornBytes },
    'the journal ended in an unfinished write that nobody was told of; it was cut',
  );
}

/**
 * Throws `mismatch` for a file of which writing it anew would lose something that cannot be read, `conflict` for one
 * that its versions do not belong to.
 */
export async function assertSound(snapshot: Snapshot, maxValueBytes: number): Promise<void> {
  for await (const events of membersOf(snapshot, maxValueBytes)) {
    for (const event of events) if (event.type === 'damage') throw damageError(snapshot.base.path, event);
  }
}

/** Throws `conflict` when the file is not the one that was opened any more. */
export async function assertAlone(paths: DictionaryPaths, { base }: Snapshot): Promise<void> {
  const now = await translated(`look at ${paths.base}`, () => identityOf(paths.base, paths.base));
  if (isSame(now, base.identity)) return;
  throw new ChangeoverError(
    'conflict',
    `Somebody else has written ${paths.base} while Changeover was its writer.`,
    {
      hint: 'Stop the application that still writes it, and validate: what it overwrote has to be repaired.',
    },
  );
}

function packedError({ base }: DictionaryPaths): ChangeoverError {
  return new ChangeoverError(
    'config',
    `The dictionary ${base} is packed with gzip, so it cannot be written to.`,
    {
      hint: 'Unpack it and name the plain file.',
    },
  );
}
