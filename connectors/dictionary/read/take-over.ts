import { decodeCaptured } from '../capture/captured-entries.ts';
import type { OutboxTally } from '../capture/outbox-tally.ts';
import { plainChange } from '../capture/plain-change.ts';
import type { JournalRecord } from '../journal/entries.ts';
import type { Overlay } from './overlay.ts';

/** What a record of the journal changes: of the state, and of what is known of the outbox. */
export function takeOver(
  record: Exclude<JournalRecord, { readonly type: 'compaction' }>,
  overlay: Overlay,
  outbox: OutboxTally,
): void {
  switch (record.type) {
    case 'changes':
      for (const change of record.changes) {
        overlay.put(change);
        outbox.noteVersion(change.version);
      }
      return;
    case 'captured':
      for (const entry of record.entries) {
        const change = plainChange(decodeCaptured(entry));
        overlay.putCaptured(change, entry.raw);
        outbox.note({ number: entry.number, named: entry.named, change });
      }
      return;
    case 'outbox':
      outbox.noteState(record.state);
      return;
    case 'carried':
      // They are in the base.
      return;
    default:
      record satisfies never;
  }
}
