import { ChangeoverError } from '../../../core/errors.ts';
import type { Change } from '../../../schemas/change.ts';
import { type Codec, createCodec } from '../../../schemas/codec.ts';
import type { Kind } from '../../../schemas/kinds.ts';
import { type CapturedBytes, splitCaptured } from '../capture/captured-entries.ts';
import type { OutboxState } from '../capture/outbox-tally.ts';
import { plainChange } from '../capture/plain-change.ts';
import { DICTIONARY_KINDS } from '../dictionary-kinds.ts';
import type { FilePrint } from './file-writer.ts';

/**
 * What a frame of the journal says. A change stands there as it stands in the log (Avro, single-object encoding):
 * doubles to the bit, readable by every later schema version, and ready for the log when the dictionary is an origin
 * whose journal is its outbox.
 *
 *     changes:    0x00, then for each: kind (1 byte), length of key (4), key, length of value (4), value
 *     compaction: 0x02, then JSON: the files of the next generation are complete, and replace the present ones
 *                 (0x01 was the same without what the files hold)
 *     captured:   0x03, then entries (captured-entries.ts): what the application wrote. The journal is its outbox
 *     carried:    0x04, then such entries: captured in an earlier journal, in the base since, and not in the log yet
 *     outbox:     0x05, then JSON: what else of the outbox an earlier journal knew
 */
export type JournalRecord =
  | { readonly type: 'changes'; readonly changes: readonly Change[] }
  | { readonly type: 'compaction'; readonly files: CompactedFiles }
  | { readonly type: 'captured'; readonly entries: Iterable<CapturedBytes> }
  | { readonly type: 'carried'; readonly entries: Iterable<CapturedBytes> }
  | { readonly type: 'outbox'; readonly state: OutboxState };

export interface CompactedFile extends FilePrint {
  /** In the dictionary's folder. */
  readonly name: string;
}

export interface CompactedFiles {
  readonly base: CompactedFile;
  readonly versions: CompactedFile;
}

const CHANGES = 0;
const COMPACTION = 2;
const CAPTURED = 3;
const CARRIED = 4;
const OUTBOX = 5;
const ENTRY_OVERHEAD_BYTES = 9;

const codec: Codec = createCodec();

/** One change as bytes of a frame. Throws when it is nothing that the schema can say. */
export function encodeEntry(change: Change): Buffer {
  const value = codec.encode(change);
  const keyBytes = Buffer.byteLength(change.key);
  const entry = Buffer.allocUnsafe(ENTRY_OVERHEAD_BYTES + keyBytes + value.byteLength);
  entry.writeUInt8((DICTIONARY_KINDS as readonly Kind[]).indexOf(change.kind), 0);
  entry.writeUInt32LE(keyBytes, 1);
  entry.write(change.key, 5);
  entry.writeUInt32LE(value.byteLength, 5 + keyBytes);
  entry.set(value, ENTRY_OVERHEAD_BYTES + keyBytes);
  return entry;
}

export function encodeChanges(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.of(CHANGES), ...entries]);
}

export function encodeCompaction(files: CompactedFiles): Buffer {
  return Buffer.concat([Buffer.of(COMPACTION), Buffer.from(JSON.stringify(files))]);
}

/** Entries as `encodeCaptured` gives them. */
export function encodeCapturedRecord(
  type: 'captured' | 'carried',
  entries: readonly Uint8Array[],
  bytes?: number,
): Buffer {
  return Buffer.concat([Buffer.of(type === 'captured' ? CAPTURED : CARRIED), ...entries], bytes);
}

export function encodeOutboxState(state: OutboxState): Buffer {
  return Buffer.concat([Buffer.of(OUTBOX), Buffer.from(JSON.stringify(state))]);
}

/** Throws `unsupported` for a record of a later version of Changeover. */
export function decodeRecord(path: string, payload: Buffer): JournalRecord {
  const [type] = payload;
  if (type === CHANGES) return { type: 'changes', changes: [...decodeEntries(payload)] };
  if (type === COMPACTION) {
    return { type: 'compaction', files: JSON.parse(payload.toString('utf8', 1)) as CompactedFiles };
  }
  if (type === CAPTURED) return { type: 'captured', entries: splitCaptured(payload, 1) };
  if (type === CARRIED) return { type: 'carried', entries: splitCaptured(payload, 1) };
  if (type === OUTBOX)
    return { type: 'outbox', state: JSON.parse(payload.toString('utf8', 1)) as OutboxState };
  throw new ChangeoverError(
    'unsupported',
    `The journal ${path} has a record of type ${String(type)}, not known here.`,
    {
      hint: 'Use the version of Changeover that wrote it, or a newer one.',
    },
  );
}

function* decodeEntries(payload: Buffer): Generator<Change> {
  for (let at = 1; at < payload.byteLength; ) {
    const kind = DICTIONARY_KINDS[payload.readUInt8(at)] ?? 'agent';
    const keyEnd = at + 5 + payload.readUInt32LE(at + 1);
    const valueEnd = keyEnd + 4 + payload.readUInt32LE(keyEnd);
    const key = payload.toString('utf8', at + 5, keyEnd);
    yield plainChange(codec.decode(kind, key, payload.subarray(keyEnd + 4, valueEnd)));
    at = valueEnd;
  }
}
