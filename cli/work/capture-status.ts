import type { CaptureStatus } from '../../connectors/capture.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Deployment } from '../deployment.ts';
import { items } from '../output/format.ts';

export type KnownStatus = CaptureStatus & { readonly store: string };

/** What an origin store says of its capture, or why it says nothing. */
export type StoreStatus = KnownStatus | { readonly store: string; readonly error: unknown };

/** One for each store: one that does not answer keeps back nothing of what the others say. */
export function statusesOf(
  deployment: Pick<Deployment, 'captured'>,
  names: readonly string[],
): Promise<readonly StoreStatus[]> {
  return Promise.all(
    names.map(async (name): Promise<StoreStatus> => {
      try {
        const store = await deployment.captured(name);
        return { store: store.name, ...(await store.capture.status()) };
      } catch (error) {
        return { store: `legacy.${name}`, error };
      }
    }),
  );
}

/** As it is printed with `--json`: what any other error is, is for the log of a defect, not for a script. */
export function plainStatus(status: StoreStatus): object {
  if (!('error' in status)) return status;
  const { store, error } = status;
  const code = error instanceof ChangeoverError ? error.code : 'internal';
  return { store, error: { code, message: messageOf(error) } };
}

/**
 * Throws for what an operator has to see to, of several things the one that weighs most: writes that are in no log, a store
 * of which nothing is known, one that is not captured, and entries that were set aside.
 */
export function assertCaptured(statuses: readonly StoreStatus[]): void {
  const known = statuses.flatMap((status) => ('error' in status ? [] : [status]));
  assertNothingLost(known);
  assertAllKnown(statuses);
  assertAllActive(known);
  assertNothingAside(known);
}

function assertNothingLost(known: readonly KnownStatus[]): void {
  const lost = known.filter(({ lostSinceUs }) => lostSinceUs !== null).map(({ store }) => store);
  if (lost.length === 0) return;
  throw new ChangeoverError('gap', `Writes to ${lost.join(' and ')} went uncaptured: the log misses them`, {
    hint: 'When the outbox drains again, run `changeover backfill --restart` with all kinds of that store, then `changeover validate`.',
  });
}

function assertAllKnown(statuses: readonly StoreStatus[]): void {
  const failures = statuses.flatMap((status) => ('error' in status ? [status] : []));
  const [first] = failures;
  if (first === undefined) return;
  const { error } = first;
  // A defect is reported as one.
  if (!(error instanceof ChangeoverError)) throw error;
  const texts = failures.map((failure) => `${failure.store}: ${messageOf(failure.error)}`);
  throw new ChangeoverError(error.code, `Not every store says whether it is captured: ${texts.join('; ')}`, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

function assertAllActive(known: readonly KnownStatus[]): void {
  const idle = known.filter(({ active }) => !active);
  if (idle.length === 0) return;
  const texts = idle.map(({ store, detail }) => `${store}: ${detail}`);
  throw new ChangeoverError('mismatch', `Not every store is captured: ${texts.join('; ')}`, {
    hint: 'Run `changeover capture install`.',
  });
}

function assertNothingAside(known: readonly KnownStatus[]): void {
  const kept = known.filter(({ setAside }) => setAside > 0);
  if (kept.length === 0) return;
  const texts = kept.map(({ store, setAside }) => `${items(setAside, 'entry')} of ${store}`);
  throw new ChangeoverError('items-rejected', `The log cannot take what was set aside: ${texts.join('; ')}`, {
    hint: '`changeover capture set-aside` lists them. Write the entities again, correctly, then forget them with `--clear --confirm`.',
  });
}
