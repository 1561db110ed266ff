import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../../core/json.ts';
import { compareCodePoints } from '../../../core/text.ts';
import { isFault, type RawAgent } from '../rows.ts';
import { parseTieKey, tieKey } from './overlay.ts';
import { DEFAULT_TYPE, type Memory, type Relationship, readMemory, readTies } from './ties.ts';

/** Whether two ties of one key say the same, or neither is there. */
export function isSameTie(left: Relationship | undefined, right: Relationship | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return (
    Object.is(left.strength, right.strength) &&
    left.since === right.since &&
    isDeepStrictEqual({ ...left.properties }, { ...right.properties })
  );
}

/** Those of the edits that change something: the others would only write out what the legacy shape leaves unsaid. */
export function effectiveEdits(source: string, raw: RawAgent, edits: TieEdits): TieEdits {
  const memory = readMemory(raw);
  if (isFault(memory)) return edits;
  const present = new Map(readTies(source, raw).ties.map(({ tie }) => [tieKey(tie), tie]));
  const readable = new Set([...present.values()].map(({ target }) => target));
  return new Map(
    [...edits].filter(([key, tie]) => {
      if (tie !== null || present.has(key)) return !isSameTie(present.get(key), tie ?? undefined);
      // What is there of a friend, and cannot be read, goes with the tie.
      const { target } = parseTieKey(key);
      return !readable.has(target) && memory.friends.includes(target);
    }),
  );
}

/** By tieKey: the tie as it is from now on, or null where there is none any more. */
export type TieEdits = ReadonlyMap<string, Relationship | null>;

/**
 * The legacy object with some of its ties replaced, added or removed, and everything else as it was: order, unknown
 * fields, and what a legacy application wrote wrongly. Of several ties to one target the legacy fields show the one
 * that they showed before, else `KNOWS`, else the first by type; the others stand in the details.
 */
export function editTies(source: string, raw: RawAgent, edits: TieEdits): RawAgent {
  const memory = readMemory(raw);
  if (isFault(memory)) throw new Error(`${memory.path}: ${memory.reason}`);
  const after = tiesAfter(source, raw, edits);
  const known = new Set(memory.friends);
  const friends = memory.friends.filter(
    (friend) => typeof friend !== 'string' || after.get(friend)?.size !== 0,
  );
  const fields = {
    relationships: new Map(Object.entries(memory.relationships)),
    relation_types: new Map(Object.entries(memory.relation_types)),
    relationship_details: new Map(Object.entries(memory.relationship_details)),
  };
  for (const [target, ties] of after) {
    const shown = shownTie(ties, known.has(target) ? memory.relation_types[target] : undefined);
    if (shown === undefined) {
      for (const part of Object.values(fields)) part.delete(target);
      continue;
    }
    if (!known.has(target)) friends.push(target);
    fields.relationships.set(target, shown.strength);
    fields.relation_types.set(target, shown.type);
    const details = detailsOf(shown, [...ties.values()]);
    if (details === undefined) fields.relationship_details.delete(target);
    else fields.relationship_details.set(target, details);
  }
  return { ...raw, memory: memoryWith(raw.memory, friends, fields) };
}

/** The ties to each target that the edits touch, by type. */
function tiesAfter(
  source: string,
  raw: RawAgent,
  edits: TieEdits,
): ReadonlyMap<string, ReadonlyMap<string, Relationship>> {
  const after = new Map<string, Map<string, Relationship>>();
  for (const key of edits.keys()) after.set(parseTieKey(key).target, new Map());
  for (const { tie } of readTies(source, raw).ties) after.get(tie.target)?.set(tie.type, tie);
  for (const [key, tie] of edits) {
    const { type, target } = parseTieKey(key);
    if (tie === null) after.get(target)?.delete(type);
    else after.get(target)?.set(type, tie);
  }
  return after;
}

function shownTie(ties: ReadonlyMap<string, Relationship>, before: unknown): Relationship | undefined {
  const same = typeof before === 'string' ? ties.get(before) : undefined;
  return (
    same ??
    ties.get(DEFAULT_TYPE) ??
    [...ties.values()].sort((left, right) => compareCodePoints(left.type, right.type))[0]
  );
}

function detailsOf(shown: Relationship, ties: readonly Relationship[]): Record<string, unknown> | undefined {
  const details: [string, unknown][] = [];
  for (const { type, strength, since, properties } of ties) {
    const more = {
      ...(type === shown.type ? {} : { strength }),
      ...(since === null ? {} : { since }),
      ...(Object.keys(properties).length === 0 ? {} : { properties }),
    };
    if (Object.keys(more).length > 0) details.push([type, more]);
  }
  return details.length === 0 ? undefined : Object.fromEntries(details);
}

type MemoryFields = Readonly<Record<Exclude<keyof Memory, 'friends'>, ReadonlyMap<string, unknown>>>;

function memoryWith(before: unknown, friends: readonly unknown[], fields: MemoryFields): RawAgent {
  const { relationship_details: _details, ...others } = isRecord(before) ? before : {};
  const details = fields.relationship_details;
  return {
    ...others,
    friends,
    // fromEntries defines its fields; assigning one named __proto__ would lose it.
    relationships: Object.fromEntries(fields.relationships),
    relation_types: Object.fromEntries(fields.relation_types),
    ...(details.size === 0 ? {} : { relationship_details: Object.fromEntries(details) }),
  };
}
