import type { Change } from '../../../schemas/change.ts';
import { parseKey, type ScanKey } from '../../../schemas/keys.ts';
import { agentPlace, tiePlace } from '../read/versions-file.ts';
import { encodeEntry } from './entries.ts';

/** A change that the journal can take. */
export interface Offered {
  readonly change: Change;
  /** As the versions file sorts it. */
  readonly place: ScanKey;
  /** As the journal takes it. */
  readonly entry: Buffer;
}

/** A change that it never can. */
export interface Refused {
  readonly fault: string;
}

const MAX_ENTRY_BYTES = 8 * 1024 * 1024;
const FRAME_BYTES = 16 * 1024 * 1024;

/** The change as it would be written, or why it cannot be: known before anything is. */
export function checked(change: Change): Offered | Refused {
  const { kind, key } = change;
  const place = kind === 'agent' ? agentPlace(key) : tiePlace(parseKey('relationship', key));
  const entry = encodeEntry({ ...change, before: null } as Change);
  if (entry.byteLength > MAX_ENTRY_BYTES)
    return {
      fault: `it has ${entry.byteLength} bytes, more than the ${MAX_ENTRY_BYTES} of a journal's entry`,
    };
  return { change, place, entry };
}

/** Parts what was accepted into frames of bounded size. */
export function* inFrames(accepted: readonly Offered[]): Generator<readonly Offered[]> {
  let frame: Offered[] = [];
  let bytes = 0;
  for (const offer of accepted) {
    frame.push(offer);
    bytes += offer.entry.byteLength;
    if (bytes < FRAME_BYTES) continue;
    yield frame;
    frame = [];
    bytes = 0;
  }
  if (frame.length > 0) yield frame;
}
