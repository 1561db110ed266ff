import { messageOf } from '../../core/errors.ts';
import type { Change, EntityOf } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { keyOf, parseKey, type ScanKey } from '../../schemas/keys.ts';
import { isVersion } from '../../schemas/version.ts';
import { encodeEntry } from './journal-entries.ts';
import type { DictionaryKind } from './kinds.ts';
import { agentPlace, tiePlace } from './versions-file.ts';

/** A change that the dictionary can hold. */
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

/** Looks at a change before anything is written, so that one that cannot be held costs nothing but itself. */
export function checked(kind: DictionaryKind, change: Change): Offered | Refused {
  try {
    if (!isVersion(change.version))
      return { fault: `its version ${change.version} is no safe positive integer` };
    const place = kind === 'agent' ? agentPlaceOf(change) : tiePlaceOf(change);
    if (typeof place === 'string') return { fault: place };
    const entry = encodeEntry({ ...change, before: null } as Parameters<typeof encodeEntry>[0]);
    if (entry.byteLength > MAX_ENTRY_BYTES)
      return {
        fault: `it has ${entry.byteLength} bytes, more than the ${MAX_ENTRY_BYTES} of a journal's entry`,
      };
    return { change, place, entry };
  } catch (error) {
    return { fault: messageOf(error) };
  }
}

/** The place, or why there is none. A delete's key is looked at as that of an entity would be. */
function agentPlaceOf(change: Change): ScanKey | string {
  const agent = (change.after as EntityOf['agent'] | null) ?? {
    id: change.key,
    type: '',
    active: true,
    attributes: {},
  };
  const fault = entityFault('agent', agent);
  if (fault !== undefined) return fault;
  return agent.id === change.key ? agentPlace(agent.id) : 'its key is not its id';
}

function tiePlaceOf(change: Change): ScanKey | string {
  const tie = (change.after as EntityOf['relationship'] | null) ?? {
    ...parseKey('relationship', change.key),
    strength: 0,
    since: null,
    properties: {},
  };
  const fault = entityFault('relationship', tie);
  if (fault !== undefined) return fault;
  return keyOf('relationship', tie) === change.key
    ? tiePlace(tie)
    : 'its key is not that of its source, type and target';
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
