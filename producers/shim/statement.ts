import type { CapturePath, EntityWrite } from '../../connectors/capture.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { textFault } from '../../core/text.ts';
import { type IdentityOf, keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Writers } from './change-writer.ts';
import { deleteOf, type InputOf, typeNameOf, upsertOf } from './entities.ts';
import type { WriteOptions } from './operations.ts';
import { routeWrites, type ShimResult } from './route-writes.ts';

/** What names a write where it is told of. */
export type WriteName = Pick<EntityWrite, 'kind' | 'key' | 'eventId'>;

/** A statement of the application: a write, or the reason why it is none. */
export interface Statement {
  readonly name: WriteName;
  readonly write?: EntityWrite;
  readonly reason?: string;
}

export function upsertStatement<K extends Kind>(
  kind: K,
  input: InputOf[K],
  options: WriteOptions | undefined,
): Statement {
  return statement(kind, options, (eventId) => upsertOf(kind, input, eventId), input);
}

export function deleteStatement<K extends Kind>(
  kind: K,
  identity: IdentityOf[K],
  options: WriteOptions | undefined,
): Statement {
  return statement(kind, options, (eventId) => deleteOf(kind, identity, eventId), identity);
}

function statement(
  kind: Kind,
  options: WriteOptions | undefined,
  make: (eventId: string | undefined) => EntityWrite,
  given: unknown,
): Statement {
  try {
    const write = make(eventIdIn(options));
    return { name: write, write };
  } catch (error) {
    // What is no error of ours was thrown by the caller's own object, when it was looked at.
    const reason =
      error instanceof ChangeoverError ? error.message : `it cannot be read: ${messageOf(error)}`;
    const eventId = isRecord(options) && typeof options.eventId === 'string' ? options.eventId : undefined;
    const name = { kind, key: keyOrNothing(kind, given), ...(eventId === undefined ? {} : { eventId }) };
    return { name, reason };
  }
}

/** An event id that was given and not understood must not be left out: the write would be done twice. */
function eventIdIn(options: unknown): string | undefined {
  if (options === undefined || options === null) return undefined;
  if (!isRecord(options))
    throw noEventId(`the options are ${typeNameOf(options)}, not an object with eventId`);
  const { eventId } = options;
  if (eventId === undefined) return undefined;
  if (typeof eventId !== 'string') throw noEventId(`eventId is ${typeNameOf(eventId)}, not a string`);
  if (eventId === '') throw noEventId('eventId is empty');
  const fault = textFault(eventId);
  if (fault !== undefined) throw noEventId(`eventId ${fault}`);
  return eventId;
}

function noEventId(reason: string): ChangeoverError {
  return new ChangeoverError('change-rejected', reason);
}

function keyOrNothing(kind: Kind, given: unknown): string {
  try {
    const key: unknown = keyOf<Kind>(kind, given as IdentityOf[Kind]);
    return typeof key === 'string' ? key : '';
  } catch {
    return '';
  }
}

/** Makes the writes among the statements, and answers one result per statement, in their order. It never rejects. */
export async function writeStatements(
  writers: Writers,
  statements: readonly Statement[],
  path: CapturePath,
): Promise<readonly ShimResult[]> {
  const writes = statements.flatMap(({ write }) => write ?? []);
  const results = (await routeWrites(writers, writes, path)).values();
  return statements.map(({ write, reason = '' }): ShimResult => {
    if (write === undefined) return { status: 'rejected', reason };
    // One result per write.
    return results.next().value as ShimResult;
  });
}
