import { isUtf8 } from 'node:buffer';
import { messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { EntityOf, Scalars } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { oversizeNumber, parseJsonExactly } from './exact-json.ts';
import { isTooDeep, MAX_LEVELS } from './levels.ts';

/** An agent as the legacy application wrote it; whatever else it has there is kept when it is written again. */
export type RawAgent = Readonly<Record<string, unknown>>;

/** What cannot be moved. `path` is where in the agent it stands, empty for the agent as a whole. */
export interface RowFault {
  readonly path: string;
  readonly reason: string;
}

export const isFault = (value: object): value is RowFault => 'reason' in value;

/** Reads one member's value. The id is the member's key; a field `id`, where there is one, has to say the same. */
export function readMember(id: string, bytes: Buffer): { readonly raw: RawAgent } | RowFault {
  if (!isUtf8(bytes)) return { path: '', reason: 'its bytes are not valid UTF-8' };
  if (isTooDeep(bytes)) return { path: '', reason: `it is nested deeper than ${MAX_LEVELS} levels` };
  let raw: unknown;
  try {
    raw = parseJsonExactly(bytes.toString('utf8'));
  } catch (error) {
    return { path: '', reason: `it is not JSON: ${messageOf(error)}` };
  }
  if (!isRecord(raw)) return { path: '', reason: `it is ${described(raw)}, not an object` };
  if (isAbsent(raw.id) || raw.id === id) return { raw };
  const reason =
    typeof raw.id === 'string'
      ? `${JSON.stringify(raw.id)} is not the id that it is stored under`
      : `it is ${described(raw.id)}, not a string`;
  return { path: 'id', reason };
}

/**
 * The agent in a legacy object. What is missing is what the legacy application takes it for: type `agent`, active, no
 * attributes. A null is an absence. What is there but of another type is a fault, never guessed at.
 */
export function readAgent(id: string, raw: RawAgent): { readonly agent: EntityOf['agent'] } | RowFault {
  const type = raw.type ?? 'agent';
  if (typeof type !== 'string') return { path: 'type', reason: `it is ${described(type)}, not a string` };
  const active = raw.active ?? true;
  if (typeof active !== 'boolean')
    return { path: 'active', reason: `it is ${described(active)}, not true or false` };
  const attributes = raw.attributes ?? {};
  if (!isRecord(attributes))
    return { path: 'attributes', reason: `it is ${described(attributes)}, not an object` };
  const present = withoutAbsent(attributes);
  for (const [name, value] of Object.entries(present)) {
    if (!isScalar(value))
      return { path: `attributes${step(name)}`, reason: `it is ${described(value)}, not a scalar` };
  }
  const agent = { id, type, active, attributes: present as Scalars };
  const fault = entityFault('agent', agent);
  return fault === undefined ? { agent } : { path: '', reason: fault };
}

/** The legacy object of an agent: the one that was there with the agent's own fields replaced, or a new one. */
export function writeAgent(agent: EntityOf['agent'], raw: RawAgent | undefined): RawAgent {
  const memory = { friends: [], relationships: {}, relation_types: {} };
  return { memory, ...raw, ...agent };
}

/** Undefined and null mean the same in the legacy shape: the field says nothing. */
export function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

export function withoutAbsent(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(fields);
  const present = entries.filter(([, value]) => !isAbsent(value));
  // fromEntries defines its fields; assigning one named __proto__ would lose it.
  return present.length === entries.length ? fields : Object.fromEntries(present);
}

export function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** One step of a path: `.name`, or `["any text"]`. */
export function step(name: string): string {
  return /^[A-Za-z_]\w{0,63}$/.test(name) ? `.${name}` : `[${shortened(JSON.stringify(name))}]`;
}

export function shortened(text: string): string {
  const LONGEST = 120;
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}

/** What a value is, for people. */
export function described(value: unknown): string {
  const digits = oversizeNumber(value);
  if (digits !== undefined) return `the number ${shortened(digits)}, which no 64-bit float holds`;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'string':
      return `the text ${shortened(JSON.stringify(value))}`;
    case 'undefined':
      return 'missing';
    default:
      return `the ${typeof value} ${String(value)}`;
  }
}
