import { chunkedAsync } from '../../core/sequence.ts';

/**
 * Writes items in batches, one at a time and in order, while the next batch is being made. The first error stops
 * everything and is thrown.
 */
export async function writeBehind<T>(
  items: AsyncIterable<T>,
  batchSize: number,
  write: (batch: readonly T[]) => Promise<void>,
): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const batch of chunkedAsync(items, batchSize)) {
      await writing;
      writing = write(batch);
      // It is awaited a batch later; until then its failure is not unhandled.
      writing.catch(() => undefined);
    }
  } finally {
    await writing;
  }
}
