import { ChangeoverError } from '../core/errors.ts';
import type { LogPlace, LogRecord, RefusalClass } from '../log/log.ts';

/** A record that will not come to be in the store, however often it is tried. */
export interface Refused {
  readonly record: LogRecord;
  readonly class: RefusalClass;
  readonly reason: string;
}

/**
 * What becomes of refused records. When it resolves they count as dealt with, and their offsets are committed; where it
 * rejects, the pipeline stops before them. A stop does not wait for it: it may reject with the signal's reason.
 */
export type Refuse = (refused: readonly Refused[], signal: AbortSignal) => Promise<void>;

export function nameOf({
  record: { kind, key, partition, offset },
}: {
  readonly record: LogPlace & { readonly key: string };
}): string {
  return `${kind} ${key} (partition ${partition}, offset ${offset})`;
}

/** Stops the pipeline at the first record that is refused. */
export function stopAtRefusal(store: string): Refuse {
  return async ([first]) => {
    if (first === undefined) return;
    throw new ChangeoverError('change-rejected', `${store} refuses ${nameOf(first)}: ${first.reason}`, {
      hint: `Nothing after it was committed for ${store}. Mend the entity at its origin or in ${store}, then run again.`,
    });
  };
}
