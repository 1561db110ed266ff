import type { ScanChunk } from '../../connectors/connector.ts';
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import { type RetryPolicy, retry } from '../../core/retry.ts';
import type { ScanKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';

/** The rest of a range could not be read, however often it was tried. */
export class ReadFailure extends Error {}

export interface ReadAheadOptions<K extends Kind> {
  readonly open: (after: ScanKey | null) => AsyncIterable<ScanChunk<K>>;
  readonly after: ScanKey | null;
  readonly policy: Partial<RetryPolicy>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * The chunks of a range, the next one being read while the reader works on the last. A read that fails is tried again
 * from the last chunk that was given out; when that does not help, throws `ReadFailure`.
 */
export async function* readAhead<K extends Kind>(options: ReadAheadOptions<K>): AsyncGenerator<ScanChunk<K>> {
  const { open, policy, clock, signal } = options;
  let last = options.after;
  let chunks = open(last)[Symbol.asyncIterator]();
  const ask = (): Promise<IteratorResult<ScanChunk<K>>> => {
    const answer = chunks.next();
    // It is awaited later, or never, where the range is stopped first; until then its failure must not count as unhandled.
    answer.catch(() => {});
    return answer;
  };
  let following = ask();
  const next = async (attempt: number): Promise<IteratorResult<ScanChunk<K>>> => {
    if (attempt > 1) {
      await chunks.return?.();
      chunks = open(last)[Symbol.asyncIterator]();
      following = ask();
    }
    return following;
  };
  try {
    for (;;) {
      const result = await retry(next, { policy, clock, signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw new ReadFailure(messageOf(error), { cause: error });
      });
      if (result.done === true) return;
      following = ask();
      last = result.value.last;
      yield result.value;
    }
  } finally {
    await chunks.return?.();
  }
}
