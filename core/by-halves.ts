import { type ChangeoverError, isRejection } from './errors.ts';

export function halves<T>(items: readonly T[]): readonly (readonly T[])[] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

/**
 * Attempts something that takes all of the items or none. When it is refused (`change-rejected`), halves them until the
 * item that is at fault stands alone: `refused` is told of that one, and the attempt has been made with all the others.
 */
export async function byHalves<T>(
  items: readonly T[],
  attempt: (items: readonly T[]) => Promise<void>,
  refused: (item: T, error: ChangeoverError) => void,
): Promise<void> {
  try {
    await attempt(items);
  } catch (error) {
    const [only] = items;
    if (!isRejection(error) || only === undefined) throw error;
    if (items.length === 1) refused(only, error);
    else for (const half of halves(items)) await byHalves(half, attempt, refused);
  }
}
