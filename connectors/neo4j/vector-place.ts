import type { Change, ChangeOf, EntityOf } from '../../schemas/change.ts';
import type { StoreScope } from './scope.ts';
import { indexedDimension, makeVectorIndex, vectorDimension } from './vector-index.ts';

/** What vectors the place of the embeddings takes: one space, one dimension (a mix ruins every search in it). */
export interface VectorPlace {
  /** Finds out the dimension: from the vector index, else from what is stored, else from these changes. */
  learn(changes: readonly Change[]): Promise<void>;
  /** Why a change does not belong here. */
  fault(change: Change): string | undefined;
}

export function vectorPlace({ client, names, options }: StoreScope): VectorPlace {
  const { label } = names.memory;
  let dimension: number | undefined;
  let underWay: Promise<void> | undefined;

  const find = async (changes: readonly Change[]): Promise<void> => {
    let found = (await vectorDimension(client, label)) ?? undefined;
    if (found === undefined) {
      found = mostFrequentDimension(changes);
      // Only where there are no vectors yet: an application that has some and no index wants none. Keeping one up to date
      // costs each write of a vector some 30 ms of a processor (docs/measurements.md).
      if (found !== undefined) {
        await makeVectorIndex(client, label, found, options.space);
        // Another process may have been quicker, with another dimension.
        found = (await indexedDimension(client, label)) ?? found;
      }
    }
    // No vector is written before the index stands.
    dimension = found;
  };

  return {
    async learn(changes) {
      if (dimension !== undefined) return;
      underWay ??= find(changes).finally(() => {
        underWay = undefined;
      });
      await underWay;
    },
    fault(change) {
      if (change.kind !== 'embedding' || change.after === null) return undefined;
      if (dimension !== undefined && change.after.dimension !== dimension) {
        return `vector has ${change.after.dimension} dimensions, the others here have ${dimension}`;
      }
      return spaceFault(change.after.space, options.space);
    },
  };
}

type Expected = StoreScope['options']['space'];

function spaceFault(space: EntityOf['embedding']['space'], expected: Expected): string | undefined {
  for (const field of ['model', 'revision', 'metric', 'normalised'] as const) {
    const here = expected[field];
    if (here === undefined || space[field] === here) continue;
    return `it is of another embedding space: ${field} is ${space[field]}, here it is ${here}`;
  }
  return undefined;
}

function mostFrequentDimension(changes: readonly Change[]): number | undefined {
  const times = new Map<number, number>();
  for (const change of changes as readonly ChangeOf<'embedding'>[]) {
    const { dimension = 0 } = change.after ?? {};
    if (dimension > 0) times.set(dimension, (times.get(dimension) ?? 0) + 1);
  }
  const [most] = [...times].sort(([, left], [, right]) => right - left);
  return most?.[0];
}
