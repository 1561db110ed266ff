import { messageOf } from '../../../core/errors.ts';
import type { Change, Entity, EntityOf, Op, Origin } from '../../../schemas/change.ts';
import { changeFault } from '../../../schemas/change-fault.ts';
import { type IdentityOf, keyOf, parseKey } from '../../../schemas/keys.ts';
import type { OutboxBatch, OutboxEntry, UnreadableEntry } from '../../capture.ts';
import { sizeFault } from '../../write-fault.ts';
import { keyFor } from '../key-patterns.ts';
import { addressOf, type Layout, quote, REDIS_KINDS, type RedisKind, whereIs } from '../layout.ts';
import type { UnknownFields } from '../options.ts';
import { unpackTexts } from '../read/msgpack.ts';
import { entityFrom, experienceFrom } from '../rows.ts';

/** An entry of the stream as the client answers it: id, then field, value, … */
export type StreamEntry = readonly [id: Buffer, fields: readonly Buffer[]];

export interface EntryContext {
  readonly layout: Layout;
  readonly unknownFields: UnknownFields;
  /** The name of the store, for the changes' origin. */
  readonly store: string;
  readonly maxChangeBytes: number;
}

interface Head {
  readonly kind: RedisKind;
  readonly op: Op;
  readonly version: number;
  readonly capturedAt: number;
  readonly origin: Origin;
}

/** As record-lua.ts writes it. */
const HEAD = /^(\S+) ([cud]) (\d{1,16}) (\d{1,16}) (shim|ingest) (.*)$/s;

export function readEntries(entries: readonly StreamEntry[], context: EntryContext): OutboxBatch {
  const read: OutboxEntry[] = [];
  const unreadable: UnreadableEntry[] = [];
  for (const [id, fields] of entries) {
    const entry = readEntry(id.toString(), fieldsOf(fields), context);
    if ('change' in entry) read.push(entry);
    else unreadable.push(entry);
  }
  return { entries: read, unreadable };
}

/** When an entry was captured, in µs since 1970; of one that is none of ours, when the server took it. */
export function capturedAtOf([id, fields]: StreamEntry, store: string): number {
  return (
    headIn(fieldsOf(fields).get('change'), store)?.capturedAt ?? Number.parseInt(id.toString(), 10) * 1_000
  );
}

type Fields = ReadonlyMap<string, Buffer>;

function fieldsOf(list: readonly Buffer[]): Fields {
  const fields = new Map<string, Buffer>();
  for (let index = 0; index + 1 < list.length; index += 2) {
    fields.set(String(list[index]), list[index + 1] as Buffer);
  }
  return fields;
}

/** What an entry's `change` field says; undefined where it is none that Changeover wrote. */
export function headIn(text: Buffer | undefined, store: string): Head | undefined {
  const [, name, op, version, capturedAt, path, writer = ''] = HEAD.exec(text?.toString() ?? '') ?? [];
  const kind = REDIS_KINDS.find((candidate) => candidate === name);
  if (kind === undefined) return undefined;
  return {
    kind,
    op: op as Op,
    version: Number(version),
    capturedAt: Number(capturedAt),
    origin: { path: path as Origin['path'], store, writer },
  };
}

function readEntry(id: string, fields: Fields, context: EntryContext): OutboxEntry | UnreadableEntry {
  const head = headIn(fields.get('change'), context.store);
  const key = fields.get('key')?.toString();
  if (head === undefined || key === undefined) {
    const where = `entry ${id} of ${quote(context.layout.outboxKey)}`;
    return { id, where, reason: 'is none that Changeover wrote' };
  }
  const { kind, op, version, capturedAt, origin } = head;
  const agentId = fields.get('agent')?.toString() ?? '';
  const state = fields.get('state');
  const previous = fields.get('before');
  const after = state === undefined ? null : entityIn(kind, key, agentId, state, context);
  const unreadable = (reason: string) => ({ id, where: placeOf(kind, key, agentId, context), reason });
  if (typeof after === 'string') return unreadable(after);
  const eventId = fields.get('event')?.toString() ?? `${context.store}:${context.layout.outboxKey}:${id}`;
  const change = { kind, key, op, version, before: null, after, origin, eventId, capturedAt } as Change;
  const fault = changeFault(change);
  if (fault !== undefined) return unreadable(fault);
  return { id, change: previous === undefined ? change : withBefore(change, agentId, previous, context) };
}

/** The state before only says more of a delete, so one that cannot be told, or does not fit, does not hold it up. */
function withBefore(change: Change, agentId: string, previous: Buffer, context: EntryContext): Change {
  const before = entityIn(change.kind as RedisKind, change.key, agentId, previous, context);
  if (typeof before === 'string') return change;
  const full = { ...change, before } as Change;
  const mayBeTooLarge = previous.length > context.maxChangeBytes / 16;
  return mayBeTooLarge && sizeFault(full, context.maxChangeBytes) !== undefined ? change : full;
}

function entityIn(
  kind: RedisKind,
  key: string,
  agentId: string,
  content: Buffer,
  { unknownFields }: EntryContext,
): Entity | string {
  try {
    if (kind === 'experience') {
      const experience = experienceFrom(agentId, content, unknownFields);
      if (typeof experience === 'string' || keyOf(kind, experience) === key) return experience;
      return `its id is ${quote(experience.id)}, not ${quote(key)}`;
    }
    const identity = parseKey(kind, key) as IdentityOf[typeof kind];
    const texts = kind === 'agent' ? unpackTexts(content) : content;
    return entityFrom(kind, identity as never, texts, unknownFields) as EntityOf[typeof kind] | string;
  } catch (error) {
    return messageOf(error);
  }
}

function placeOf(kind: RedisKind, key: string, agentId: string, { layout }: EntryContext): string {
  if (kind === 'experience') {
    return `key ${quote(keyFor(layout.patterns.experiences, agentId))}, the element with id ${quote(key)}`;
  }
  try {
    return whereIs(addressOf(kind, parseKey(kind, key) as never, layout));
  } catch {
    return `the ${kind} ${quote(key)}`;
  }
}
