import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../core/json.ts';
import { compareCodePoints } from '../../core/text.ts';
import type { EntityOf, Scalars } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { parseTieKey, tieKey } from './overlay.ts';
import { described, isAbsent, isFault, type RawAgent, type RowFault, step, withoutAbsent } from './rows.ts';

type Relationship = EntityOf['relationship'];

/**
 * How relationships ("ties", for short) stand in an agent's `memory`:
 *
 * - `friends`: the targets. The legacy shape knows one tie to each.
 * - `relationships`, `relation_types`: its strength and type where they are not 50 and `KNOWS`.
 * - `relationship_details`, ours: target → type → what the legacy shape cannot say. For the tie that the legacy shape
 *   shows, `since` and `properties`; for a further tie of another type to the same target all of it, `strength` too.
 *   A legacy reader need not know of it.
 */
const DEFAULT_STRENGTH = 50;
const DEFAULT_TYPE = 'KNOWS';

/** A tie and where in the agent it stands. */
export interface PlacedTie {
  readonly path: string;
  readonly tie: Relationship;
}

export interface Ties {
  readonly ties: readonly PlacedTie[];
  readonly faults: readonly RowFault[];
}

type Fields = Readonly<Record<string, unknown>>;

interface Memory {
  readonly friends: readonly unknown[];
  readonly relationships: Fields;
  readonly relation_types: Fields;
  readonly relationship_details: Fields;
}

/** The parts of `memory`, or why they cannot be read. */
function readMemory(raw: RawAgent): Memory | RowFault {
  const memory = raw.memory ?? {};
  if (!isRecord(memory)) return { path: 'memory', reason: `it is ${described(memory)}, not an object` };
  const friends = memory.friends ?? [];
  if (!Array.isArray(friends))
    return { path: 'memory.friends', reason: `it is ${described(friends)}, not a list` };
  const { relationships = {}, relation_types = {}, relationship_details = {} } = withoutAbsent(memory);
  const parts = { relationships, relation_types, relationship_details };
  for (const [name, part] of Object.entries(parts)) {
    if (!isRecord(part)) return { path: `memory.${name}`, reason: `it is ${described(part)}, not an object` };
  }
  return { friends, ...(parts as Omit<Memory, 'friends'>) };
}

/** An own field that says something; never what every object inherits (`constructor`). */
function own(fields: Fields, name: string): unknown {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return value === null ? undefined : value;
}

/** The ties that start from an agent, in the order of its friends. A fault costs one tie, or what stands at its path. */
export function readTies(source: string, raw: RawAgent): Ties {
  const memory = readMemory(raw);
  if (isFault(memory)) return { ties: [], faults: [memory] };
  const ties: PlacedTie[] = [];
  const faults: RowFault[] = [];
  const seen = new Map<string, number>();
  for (const [index, friend] of memory.friends.entries()) {
    const path = `memory.friends[${index}]`;
    if (typeof friend !== 'string') {
      faults.push({ path, reason: `it is ${described(friend)}, not an id` });
      continue;
    }
    const earlier = seen.get(friend);
    if (earlier !== undefined) {
      faults.push({
        path,
        reason: `${JSON.stringify(friend)} is a friend already, in memory.friends[${earlier}]`,
      });
      continue;
    }
    seen.set(friend, index);
    readFriend({ source, target: friend, path }, memory, ties, faults);
  }
  for (const name of ['relationships', 'relation_types', 'relationship_details'] as const) {
    for (const target of Object.keys(memory[name])) {
      if (seen.has(target) || isAbsent(memory[name][target])) continue;
      faults.push({
        path: `memory.${name}${step(target)}`,
        reason: `${JSON.stringify(target)} is no friend`,
      });
    }
  }
  return { ties, faults };
}

interface Friend {
  readonly source: string;
  readonly target: string;
  readonly path: string;
}

const NO_DETAILS: Fields = {};

function readFriend(friend: Friend, memory: Memory, ties: PlacedTie[], faults: RowFault[]): void {
  const { source, target, path } = friend;
  const add = (found: PlacedTie | RowFault): void => {
    if ('tie' in found) ties.push(found);
    else faults.push(found);
  };
  const type = own(memory.relation_types, target) ?? DEFAULT_TYPE;
  const strength = own(memory.relationships, target) ?? DEFAULT_STRENGTH;
  const details = own(memory.relationship_details, target) ?? NO_DETAILS;
  const detailsPath = `memory.relationship_details${details === NO_DETAILS ? '' : step(target)}`;
  if (!isRecord(details)) {
    faults.push({ path: detailsPath, reason: `it is ${described(details)}, not an object` });
    return;
  }
  const shown = (typeof type === 'string' ? own(details, type) : undefined) ?? NO_DETAILS;
  add(readTie({ source, target, path }, { type, strength, details: shown }));
  for (const [other, detail] of details === NO_DETAILS ? [] : Object.entries(details)) {
    if (other === type || isAbsent(detail)) continue;
    const otherStrength = isRecord(detail) ? detail.strength : undefined;
    const at = { source, target, path: `${detailsPath}${step(other)}` };
    add(readTie(at, { type: other, strength: otherStrength, details: detail }));
  }
}

interface TieParts {
  readonly type: unknown;
  readonly strength: unknown;
  readonly details: unknown;
}

function readTie({ source, target, path }: Friend, parts: TieParts): PlacedTie | RowFault {
  const { type, strength, details } = parts;
  const fault = (reason: string): RowFault => ({
    path,
    reason: `the tie to ${JSON.stringify(target)} ${reason}`,
  });
  if (typeof type !== 'string') return fault(`has a type that is ${described(type)}`);
  if (typeof strength !== 'number') return fault(`has a strength that is ${described(strength)}`);
  if (!isRecord(details)) return fault(`has details that are ${described(details)}`);
  const { since = null, properties = {} } = withoutAbsent(details);
  if (!isRecord(properties)) return fault(`has properties that are ${described(properties)}`);
  const tie = {
    source,
    target,
    type,
    strength,
    since: since as number | null,
    properties: withoutAbsent(properties) as Scalars,
  };
  const found = entityFault('relationship', tie);
  return found === undefined ? { path, tie } : fault(`cannot be moved: ${found}`);
}

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

/** Whether an agent's memory has the shape that ties can be written into. */
export function holdsTies(raw: RawAgent): boolean {
  return !isFault(readMemory(raw));
}

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
