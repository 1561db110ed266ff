import { ChangeoverError } from '../../core/errors.ts';
import type { Change } from '../../schemas/change.ts';
import { type Codec, createCodec } from '../../schemas/codec.ts';
import { DICTIONARY_KINDS, type DictionaryKind } from './kinds.ts';

/**
 * What a frame of the journal says. A change stands there as it stands in the log (Avro, single-object encoding):
 * doubles to the bit, readable by every later schema version, and ready for the log when the dictionary is an origin
 * whose journal is its outbox.
 *
 *     changes:    0x00, then for each: kind (1 byte), length of key (4), key, length of value (4), value
 *     compaction: 0x01, then JSON: the files of the next generation are complete, and replace the present ones
 */
export type JournalRecord =
  | { readonly type: 'changes'; readonly changes: readonly Change[] }
  | { readonly type: 'compaction'; readonly files: CompactedFiles };

/** Names in the dictionary's folder. */
export interface CompactedFiles {
  readonly base: string;
  readonly versions: string;
}

const CHANGES = 0;
const COMPACTION = 1;
const ENTRY_OVERHEAD_BYTES = 9;

const codec: Codec = createCodec();

/** One change as bytes of a frame. Throws when it is nothing that the schema can say. */
export function encodeEntry(change: Change & { readonly kind: DictionaryKind }): Buffer {
  const value = codec.encode(change);
  const keyBytes = Buffer.byteLength(change.key);
  const entry = Buffer.allocUnsafe(ENTRY_OVERHEAD_BYTES + keyBytes + value.byteLength);
  entry.writeUInt8(DICTIONARY_KINDS.indexOf(change.kind), 0);
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

/** Throws `unsupported` for a record of a later version of Changeover. */
export function decodeRecord(path: string, payload: Buffer): JournalRecord {
  const [type] = payload;
  if (type === CHANGES) return { type: 'changes', changes: [...decodeEntries(payload)] };
  if (type === COMPACTION) {
    return { type: 'compaction', files: JSON.parse(payload.toString('utf8', 1)) as CompactedFiles };
  }
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
    yield plain(codec.decode(kind, key, payload.subarray(keyEnd + 4, valueEnd)));
    at = valueEnd;
  }
}

/** Avro gives records a class of their own; what a source answers is plain, wherever it comes from. */
function plain(change: Change): Change {
  return change.after === null ? change : ({ ...change, after: { ...change.after } } as Change);
}
