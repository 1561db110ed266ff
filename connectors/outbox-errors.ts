import { ChangeoverError } from '../core/errors.ts';

export const FULL_OUTBOX_HINT =
  'See to it that the relay runs and Kafka answers; writing goes on by itself then. Or raise outbox.maxEntries, or set outbox.whenFull: drop.';

/** The log has not taken what was captured for so long that the bound is reached, and the policy is to refuse. */
export function fullOutbox(store: string, entries: number | string): ChangeoverError {
  return new ChangeoverError(
    'outbox-full',
    `${store} takes no writes now: ${entries} captured ones wait for the log.`,
    { hint: FULL_OUTBOX_HINT },
  );
}

/** Capture cannot end while something that it captured is not in the log. */
export function assertDrained(store: string, entries: number): void {
  if (entries === 0) return;
  throw new ChangeoverError(
    'conflict',
    `Capture of ${store} cannot end: ${entries} captured writes wait for the log.`,
    { hint: 'Run the relay until the outbox is empty, then uninstall.' },
  );
}
