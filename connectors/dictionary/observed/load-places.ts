import type { Logger } from '../../../core/logger.ts';
import { groupBy } from '../../../core/sequence.ts';
import type { EntityOf } from '../../../schemas/change.ts';
import { keyOf } from '../../../schemas/keys.ts';
import { readId } from '../read/agent-index.ts';
import type { Member } from '../read/member-parser.ts';
import { membersOf } from '../read/members.ts';
import { type Overlay, parseTieKey, tieKey } from '../read/overlay.ts';
import type { Snapshot } from '../read/snapshot.ts';
import { tieOf, type VersionLine } from '../read/versions-file.ts';
import { isFault, readMember } from '../rows.ts';
import { Place } from './place.ts';
import { Places } from './places.ts';

type Relationship = EntityOf['relationship'];

interface LoadOptions {
  readonly snapshot: Snapshot;
  readonly maxAgentBytes: number;
  readonly logger: Logger;
}

export interface LoadedPlaces {
  readonly places: Places;
  /** The greatest version that is kept beside the base. */
  readonly lastVersion: number;
}

/** Reads all of a dictionary into memory: the base, what is kept beside it, and what the journal changed since. */
export async function loadPlaces(options: LoadOptions): Promise<LoadedPlaces> {
  const { snapshot } = options;
  const byId = await placesOfBase(options);
  const placeAt = (id: string): Place => {
    const place = byId.get(id) ?? Place.empty(id);
    byId.set(id, place);
    return place;
  };
  const { agents } = snapshot.overlay;
  let lastVersion = 0;
  const told = new Set<string>();
  for await (const line of linesOf(snapshot)) {
    lastVersion = Math.max(lastVersion, line.version ?? 0);
    const [kind, source, type, target] = line.place.map(String);
    if (kind !== 'relationship') continue;
    const identity = { source: source ?? '', type: type ?? '', target: target ?? '' };
    const isLoose =
      byId.get(identity.target)?.isThere !== true || agents.get(identity.target)?.entity === null;
    if (line.version !== null && isLoose) told.add(keyOf('relationship', identity));
    const tie = tieOf(line);
    if (tie !== undefined) placeAt(tie.source).setTie(tieKey(tie), tie);
  }
  for (const [id, { entity }] of agents) {
    const place = placeAt(id);
    if (entity === null) place.removeAgent();
    else place.setAgent(entity);
  }
  for (const [source, ties] of snapshot.overlay.ties) {
    const place = placeAt(source);
    for (const [key, { entity }] of ties) {
      told.add(keyOf('relationship', { source, ...parseTieKey(key) }));
      place.setTie(key, entity);
    }
  }
  return { places: gathered(byId.values(), told), lastVersion };
}

function gathered(all: Iterable<Place>, told: ReadonlySet<string>): Places {
  const places = new Places();
  const present = [...all].filter((place) => !place.isEmpty);
  for (const place of present) places.load(place);
  const untold: Relationship[] = [];
  for (const place of present) {
    for (const tie of place.ties.values()) {
      if (places.place(tie.target)?.isThere !== true && !told.has(keyOf('relationship', tie)))
        untold.push(tie);
    }
  }
  for (const [target, ties] of groupBy(untold, (tie) => tie.target)) places.setUntold(target, ties);
  return places;
}

async function placesOfBase({ snapshot, maxAgentBytes, logger }: LoadOptions): Promise<Map<string, Place>> {
  const byId = new Map<string, Place>();
  const { overlay } = snapshot;
  for await (const events of membersOf(snapshot, maxAgentBytes)) {
    for (const event of events) {
      const read = event.type === 'member' ? readPlace(event, overlay) : { reason: event.reason };
      const reason =
        'reason' in read ? read.reason : byId.has(read.place.id) ? 'its id is there already' : undefined;
      if ('place' in read && reason === undefined) byId.set(read.place.id, read.place);
      else logger.warn({ file: snapshot.base.path, line: event.line, reason }, 'a member is no agent');
    }
  }
  for (const id of overlay.rawIds()) if (!byId.has(id)) byId.set(id, Place.of(id, overlay.rawOf(id) ?? {}));
  return byId;
}

function readPlace(
  { key, value }: Member,
  overlay: Overlay,
): { readonly place: Place } | { readonly reason: string } {
  const read = readId(key);
  if ('reason' in read) return read;
  const { id } = read;
  const written = overlay.rawOf(id);
  if (written !== undefined) return { place: Place.of(id, written) };
  if (value === undefined) return { reason: 'it is too long' };
  const member = readMember(id, value);
  return isFault(member) ? { reason: member.reason } : { place: Place.of(id, member.raw) };
}

async function* linesOf({ versions }: Snapshot): AsyncGenerator<VersionLine> {
  const cursor = versions?.lines.cursor(null);
  if (cursor === undefined) return;
  try {
    await cursor.load();
    for (let line = cursor.head; line !== undefined; line = cursor.head) {
      yield line;
      cursor.advance();
      if (cursor.waits) await cursor.load();
    }
  } finally {
    await cursor.close();
  }
}
