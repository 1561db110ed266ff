import type { Change } from '../../../schemas/change.ts';

/** Avro gives records a class of their own; what a source answers is plain, wherever it comes from. */
export function plainChange(change: Change): Change {
  const { before, after, origin } = change;
  return {
    ...change,
    before: before && { ...before },
    after: after && { ...after },
    origin: { ...origin },
  } as Change;
}
