import { z } from 'zod';
import type { EntityWrite } from '../connectors/capture.ts';
import { messageOf } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import { deleteOf, upsertOf } from '../producers/shim/entities.ts';
import { parseKey } from '../schemas/keys.ts';
import { KINDS, type Kind } from '../schemas/kinds.ts';
import { ENTITY_SCHEMAS, IDENTITY_SCHEMAS, identityFrom, inputFrom } from './entity-schemas.ts';
import { faultsInWords } from './faults.ts';

/** One change of a request: a write, or the reason why it is none. */
export interface Item {
  /** As the client gave it, for the answer. */
  readonly id?: string;
  readonly write?: EntityWrite;
  readonly reason?: string;
}

export const OPS = ['upsert', 'delete'] as const;
export type ChangeOp = (typeof OPS)[number];

/**
 * White space is left for the ids of CloudEvents, which are their source and their id with a space between: no two events
 * have one id unless they are the same event.
 */
export const eventIdSchema = z
  .string()
  .regex(
    /^[^\s\p{C}]{1,256}$/u,
    'must be 1 to 256 characters, none of them white space or a control character',
  )
  .describe('who sends a change twice with one id has it done once, within 24 hours');

const changeSchema = z.strictObject({
  id: eventIdSchema.optional(),
  kind: z.enum(KINDS),
  op: z.enum(OPS),
  entity: z.unknown().optional(),
  key: z.unknown().optional(),
});

/** A change in our own JSON. */
export function itemFromJson(json: unknown): Item {
  const parsed = changeSchema.safeParse(json);
  const given = isRecord(json) && typeof json.id === 'string' ? json.id : undefined;
  const name = given === undefined ? {} : { id: given.slice(0, 256) };
  if (!parsed.success) return { ...name, reason: faultsInWords(parsed.error.issues) };
  const { id, kind, op, entity, key } = parsed.data;
  const unwanted = op === 'upsert' ? key : entity;
  if (unwanted !== undefined) {
    const [wants, has] = op === 'upsert' ? ['entity', 'key'] : ['key', 'entity'];
    return { ...name, reason: `${has}: a change with op ${op} has no ${has}, but ${wants}` };
  }
  const made = op === 'upsert' ? upsertFrom(kind, entity, 'entity', id) : deleteFrom(kind, key, 'key', id);
  return { ...name, ...made };
}

type Made = Pick<Item, 'write' | 'reason'>;

/** `field` is where the entity stood, for the words of what is wrong with it. */
export function upsertFrom(kind: Kind, entity: unknown, field: string, eventId?: string): Made {
  const parsed = ENTITY_SCHEMAS[kind].safeParse(entity);
  if (!parsed.success) return { reason: faultsInWords(parsed.error.issues, field) };
  return made(field, () => upsertOf(kind, inputFrom(kind, parsed.data as never), eventId));
}

/** A key is the text of the Kafka record key, or an object of the parts that name the entity. */
export function deleteFrom(kind: Kind, key: unknown, field: string, eventId?: string): Made {
  if (typeof key === 'string') return made(field, () => deleteOf(kind, parseKey(kind, key), eventId));
  const parsed = IDENTITY_SCHEMAS[kind].safeParse(key);
  if (!parsed.success) return { reason: faultsInWords(parsed.error.issues, field) };
  return made(field, () => deleteOf(kind, identityFrom(kind, parsed.data as never), eventId));
}

function made(field: string, make: () => EntityWrite): Made {
  try {
    return { write: make() };
  } catch (error) {
    return { reason: `${field}: ${messageOf(error)}` };
  }
}
