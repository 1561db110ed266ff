import { isRecord } from '../../../core/json.ts';
import type { EntityOf, Scalars } from '../../../schemas/change.ts';
import { entityFault } from '../../../schemas/entity-fault.ts';
import { described, isAbsent, isFault, type RawAgent, type RowFault, step, withoutAbsent } from '../rows.ts';

export type Relationship = EntityOf['relationship'];

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
export const DEFAULT_TYPE = 'KNOWS';

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

export interface Memory {
  readonly friends: readonly unknown[];
  readonly relationships: Fields;
  readonly relation_types: Fields;
  readonly relationship_details: Fields;
}

/** The parts of `memory`, or why they cannot be read. */
export function readMemory(raw: RawAgent): Memory | RowFault {
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

/** Whether an agent's memory has the shape that ties can be written into. */
export function holdsTies(raw: RawAgent): boolean {
  return !isFault(readMemory(raw));
}
