import type { Store } from '../../connectors/connector.ts';
import type { StubCount, TombstoneCount, Upkeep } from '../../connectors/upkeep.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Log } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Deployment } from '../deployment.ts';
import { chosenOrigins, chosenTargets } from '../routes.ts';
import { targetOf } from './dead-letters.ts';

/** A store whose tombstones and stubs are looked after. */
export interface Kept {
  readonly store: Store;
  readonly upkeep: Upkeep;
  /** Makes what a target lacks. In an origin nothing is ever made: it is somebody's, and may not even be captured. */
  readonly prepare: () => Promise<void>;
  /** Throws `conflict` where removing something now could take what somebody else has just written. */
  readonly requireAlone: () => Promise<void>;
}

/** What became of the tombstones of one kind. */
export interface PurgedKind extends TombstoneCount {
  readonly store: string;
  readonly kind: Kind;
  readonly removed: number;
}

export interface CleanedStubs extends StubCount {
  readonly store: string;
  readonly removed: number;
}

/**
 * The stores that were asked for, such as `postgres`, `target.postgres` or `legacy.neo4j`; by default all target stores that may
 * have something to look after.
 */
export async function keptStores(
  deployment: Deployment,
  log: Log,
  asked: readonly string[] | undefined,
  holds: (kinds: readonly Kind[]) => boolean = () => true,
): Promise<readonly Kept[]> {
  const { routes } = deployment;
  const [legacy, target] = [true, false].map((isLegacy) =>
    asked?.filter((name) => name.startsWith('legacy.') === isLegacy),
  );
  const origins = legacy === undefined || legacy.length === 0 ? [] : chosenOrigins(routes, legacy);
  const targets = target?.length === 0 ? [] : chosenTargets(routes, target);
  const wanted =
    asked === undefined ? targets.filter((name) => holds(routes.followers.get(name) ?? [])) : targets;
  return Promise.all([
    ...origins.map(async (name) => kept(await deployment.store('legacy', name), NO_DEMANDS)),
    ...wanted.map(async (name) => {
      const { store, requireAlone } = await targetOf(deployment, log, `target.${name}`);
      return kept(store, { prepare: () => store.prepare(), requireAlone });
    }),
  ]);
}

const NO_DEMANDS = { prepare: async () => {}, requireAlone: async () => {} } as const;

function kept(store: Store, demands: Pick<Kept, 'prepare' | 'requireAlone'>): Kept {
  const { upkeep } = store;
  if (upkeep !== undefined) return { store, upkeep, ...demands };
  throw new ChangeoverError('unsupported', `${store.name} keeps no tombstones that could be purged`, {
    hint: 'Leave it out of --store.',
  });
}

interface PurgeRun {
  readonly beforeUs: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** Counts the tombstones of a store, kind by kind, and removes those that are older. Where it is stopped it tells how far it came. */
export async function* purgeStore(
  { store, upkeep, prepare, requireAlone }: Kept,
  { beforeUs, dryRun, signal }: PurgeRun,
): AsyncGenerator<PurgedKind> {
  if (!dryRun) await prepare();
  for (const kind of upkeep.kinds) {
    const counted = await upkeep.countTombstones(kind, beforeUs, signal);
    const batches = upkeep.purgeTombstones(kind, beforeUs, { signal });
    const tally: Tally = { removed: 0 };
    try {
      // With nothing to remove nobody need become the owner of the place.
      if (!dryRun && counted.older > 0) await removeAll(batches, requireAlone, tally);
    } finally {
      yield { store: store.name, kind, ...counted, ...tally };
    }
  }
}

/** The same for stubs; undefined where the store has none. */
export async function cleanStubs(
  { store, upkeep, prepare, requireAlone }: Kept,
  { dryRun, signal }: Omit<PurgeRun, 'beforeUs'>,
): Promise<CleanedStubs | undefined> {
  if (upkeep.stubs === undefined) return undefined;
  if (!dryRun) await prepare();
  const counted = await upkeep.stubs.count();
  const tally: Tally = { removed: 0 };
  if (!dryRun && counted.idle > 0) await removeAll(upkeep.stubs.removeIdle({ signal }), requireAlone, tally);
  return { store: store.name, ...counted, ...tally };
}

interface Tally {
  removed: number;
}

/** Asks before each batch, because what was so before the first need not be so before the last. */
async function removeAll(
  batches: AsyncIterable<number>,
  requireAlone: () => Promise<void>,
  tally: Tally,
): Promise<void> {
  await requireAlone();
  for await (const some of batches) {
    tally.removed += some;
    await requireAlone();
  }
}
