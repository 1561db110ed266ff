import type { CapturePath, EntityWrite, WriteResult } from '../../connectors/capture.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Change } from '../../schemas/change.ts';
import { changeFault } from '../../schemas/change-fault.ts';
import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import type { ChangeWriter, Writers } from './change-writer.ts';

/** What became of one write. */
export type ShimResult =
  | WriteResult
  /**
   * Whether it was written is not known, because its store or the log did not answer, or it was not written because the
   * outbox is full. What the store committed is in its outbox in any case. Writing it again with the same event id is safe.
   */
  | { readonly status: 'failed'; readonly error: ChangeoverError };

/**
 * Gives each write to the writer of its kind, one call for each writer, and answers one result per write, in their order.
 * Writes of one writer keep their order; those of different writers are made side by side. It never rejects: a writer
 * that throws has failed its own writes, and the others stand.
 */
export async function routeWrites(
  writers: Writers,
  writes: readonly EntityWrite[],
  path: CapturePath,
): Promise<readonly ShimResult[]> {
  const results = new Array<ShimResult>(writes.length);
  const routes = new Map<ChangeWriter, number[]>();
  for (const [index, write] of writes.entries()) {
    const writer = writers.get(write.kind);
    const fault = writer === undefined ? NO_ORIGIN : shapeFault(write);
    if (writer === undefined || fault !== undefined) {
      results[index] = { status: 'rejected', reason: fault ?? NO_ORIGIN };
      continue;
    }
    const indexes = routes.get(writer);
    if (indexes === undefined) routes.set(writer, [index]);
    else indexes.push(index);
  }
  await Promise.all(
    Array.from(routes, async ([writer, indexes]) => {
      const own = indexes.flatMap((index) => writes[index] ?? []);
      const answers = await writeOrFail(writer, own, path);
      for (const [place, index] of indexes.entries()) {
        const answer = answers[place];
        if (answer !== undefined) results[index] = answer;
      }
    }),
  );
  return results;
}

const NO_ORIGIN = 'no configured store is the origin of its kind';

/**
 * Why it is no entity of its kind. The writer asks the same; it is asked here first because a caller without types can give
 * anything at all, and what is not even an object of the right shape must cost only its own write.
 */
function shapeFault({ kind, key, entity }: EntityWrite): string | undefined {
  try {
    return changeFault({ kind, key, after: entity, version: FIRST_CAPTURED_VERSION } as Change);
  } catch (error) {
    return `it is no ${kind}: ${messageOf(error)}`;
  }
}

async function writeOrFail(
  writer: ChangeWriter,
  writes: readonly EntityWrite[],
  path: CapturePath,
): Promise<readonly ShimResult[]> {
  try {
    const results = await writer.write(writes, path);
    if (results.length === writes.length) return results;
    throw new ChangeoverError('internal', `${writes.length} writes had ${results.length} results`);
  } catch (error) {
    // One error for all of them: whoever logs it needs it once.
    const failed = { status: 'failed', error: asChangeoverError(error) } as const;
    return writes.map(() => failed);
  }
}

function asChangeoverError(error: unknown): ChangeoverError {
  if (error instanceof ChangeoverError) return error;
  return new ChangeoverError('internal', `The write ended in an unexpected error: ${messageOf(error)}`, {
    cause: error,
  });
}
