import type { CapturePath, EntityWrite } from '../../connectors/capture.ts';
import { messageOf } from '../../core/errors.ts';
import { type IdentityOf, keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Writers } from './change-writer.ts';
import { deleteOf, type InputOf, upsertOf } from './entities.ts';
import { routeWrites, type ShimResult } from './route-writes.ts';

/** What names a write where it is told of. */
export type WriteName = Pick<EntityWrite, 'kind' | 'key' | 'eventId'>;

/** A statement of the application: a write, or the reason why it is none. */
export interface Statement {
  readonly name: WriteName;
  readonly write?: EntityWrite;
  readonly reason?: string;
}

export function upsertStatement<K extends Kind>(kind: K, input: InputOf[K], eventId?: string): Statement {
  return statement(kind, eventId, () => upsertOf(kind, input, eventId), input);
}

export function deleteStatement<K extends Kind>(
  kind: K,
  identity: IdentityOf[K],
  eventId?: string,
): Statement {
  return statement(kind, eventId, () => deleteOf(kind, identity, eventId), identity);
}

function statement(
  kind: Kind,
  eventId: string | undefined,
  make: () => EntityWrite,
  given: unknown,
): Statement {
  try {
    const write = make();
    return { name: write, write };
  } catch (error) {
    const name = { kind, key: keyOrNothing(kind, given), ...(eventId === undefined ? {} : { eventId }) };
    return { name, reason: messageOf(error) };
  }
}

function keyOrNothing(kind: Kind, given: unknown): string {
  try {
    return keyOf<Kind>(kind, given as IdentityOf[Kind]) ?? '';
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
