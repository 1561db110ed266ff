import { translated } from '../errors.ts';
import {
  decodeRecord,
  encodeCapturedRecord,
  encodeOutboxState,
  type JournalRecord,
} from '../journal/entries.ts';
import { readFrames } from '../journal/frames.ts';
import { type AppendPayload, readJournalHeader } from '../journal/journal.ts';
import { type DictionaryPaths, openIfThere } from '../paths.ts';
import { type CapturedBytes, decodeCaptured, withoutRaw } from './captured-entries.ts';
import { OutboxTally } from './outbox-tally.ts';
import { readRelayed } from './relayed.ts';

/** Of the frames that entries are handed on in. */
const FRAME_BYTES = 1024 * 1024;

/**
 * Copies what a folded journal has of the outbox, and the log has not confirmed, into the journal that takes its place.
 * Goes by the files alone, so that it does the same for who folds a journal and for who finishes what another began.
 */
export async function handOnOutbox(paths: DictionaryPaths, append: AppendPayload): Promise<void> {
  const path = paths.journal;
  const file = await translated(`open the journal ${path}`, () => openIfThere(path));
  if (file === undefined) return;
  try {
    const { bytes: start, salt, outbox } = await readJournalHeader(file, path);
    const relayed = await readRelayed(paths.relayed, outbox);
    const { size } = await file.stat();
    const tally = new OutboxTally();
    let entries: Buffer[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      if (entries.length > 0) await append(encodeCapturedRecord('carried', entries));
      entries = [];
      bytes = 0;
    };
    for await (const { payload } of readFrames(file, { path, salt, start, size })) {
      for (const entry of entriesIn(decodeRecord(path, payload), tally)) {
        if (entry.number <= 0 || relayed.has(entry.number)) continue;
        const carried = withoutRaw(entry);
        entries.push(carried);
        bytes += carried.byteLength;
        if (bytes >= FRAME_BYTES) await flush();
      }
    }
    await flush();
    if (tally.isEmpty) return;
    for (const state of tally.states()) await append(encodeOutboxState(state));
  } finally {
    await file.close();
  }
}

function* entriesIn(record: JournalRecord, tally: OutboxTally): Generator<CapturedBytes> {
  switch (record.type) {
    case 'carried':
      yield* record.entries;
      return;
    case 'captured':
      for (const entry of record.entries) {
        tally.note({ ...entry, change: decodeCaptured(entry) });
        yield entry;
      }
      return;
    case 'outbox':
      tally.noteState(record.state);
      return;
    case 'changes':
      for (const { version } of record.changes) tally.noteVersion(version);
      return;
    case 'compaction':
      return;
    default:
      record satisfies never;
  }
}
