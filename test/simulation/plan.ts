import type { Kind } from '../../schemas/kinds.ts';
import { createRandom, type Random } from './random.ts';

/** What may go wrong in a run. Each seed has its own choice of them, so that some runs are of one sort of fault alone. */
export interface FaultPlan {
  readonly crashes: boolean;
  /** A process stands still for longer than its group and its claim wait for it, then goes on. */
  readonly stalls: boolean;
  readonly orderlyStops: boolean;
  /** A member is put out of its group though it is well, as when the way to the broker alone is cut. */
  readonly evictions: boolean;
  readonly lostRequests: number;
  readonly lostAnswers: number;
  readonly storesDown: boolean;
  readonly slowStores: boolean;
  readonly replays: boolean;
  readonly poison: number;
  readonly badBytes: boolean;
  readonly clockJumps: boolean;
  readonly publishFailures: number;
}

export interface Plan {
  readonly faults: FaultPlan;
  /** After this nothing goes wrong any more. */
  readonly faultsEndMs: number;
  readonly faultEveryMs: number;
  readonly writers: number;
  readonly writesPerWriter: number;
  readonly writeEveryMs: number;
  readonly keysPerKind: number;
  /** Of these kinds alone, so that some runs are about few keys. */
  readonly kinds: readonly Kind[];
  /** Processes of these names alone meet with crashes, stops and pauses; all of them where there is none. */
  readonly struck: string;
  readonly backfills: number;
  readonly backfillStartsMs: number;
  readonly members: number;
  readonly maxBatchChanges: number;
  readonly networkMs: number;
}

const ALL_KINDS: readonly Kind[] = ['agent', 'relationship', 'embedding', 'q-value', 'policy'];
const KINDS_WRITTEN: readonly (readonly Kind[])[] = [
  ALL_KINDS,
  ALL_KINDS,
  ['embedding'],
  ['embedding'],
  ['agent', 'relationship'],
  ['policy', 'embedding'],
];
const STRUCK = ['', '', 'vectors', 'vectors', 'rows', 'relay', 'backfill'];

function calmPlan(random: Random): Plan {
  const some = (): boolean => random.chance(0.55);
  const rate = (most: number): number => (some() ? random.next() * most : 0);
  return {
    faults: {
      crashes: some(),
      stalls: some(),
      orderlyStops: some(),
      evictions: some(),
      lostRequests: rate(0.06),
      lostAnswers: rate(0.08),
      storesDown: some(),
      slowStores: some(),
      replays: some(),
      poison: rate(0.15),
      badBytes: random.chance(0.3),
      clockJumps: some(),
      publishFailures: rate(0.15),
    },
    faultsEndMs: random.between(4_000, 9_000),
    faultEveryMs: random.between(80, 600),
    writers: random.between(1, 3),
    writesPerWriter: random.between(12, 22),
    writeEveryMs: random.between(20, 250),
    keysPerKind: random.between(1, 4),
    kinds: random.pick(KINDS_WRITTEN),
    struck: random.pick(STRUCK),
    backfills: random.between(1, 2),
    backfillStartsMs: random.between(0, 2_500),
    members: random.pick([1, 2, 2, 3]),
    maxBatchChanges: random.pick([3, 10, 50]),
    networkMs: random.pick([1, 4, 15]),
  };
}

/** Everything at once, against the processes of one sort and with few keys: what is rare elsewhere is frequent here. */
function stormPlan(random: Random): Plan {
  const plan = calmPlan(random);
  const struck = random.pick(['vectors', 'vectors', 'rows', 'relay'] as const);
  return {
    ...plan,
    faults: { ...plan.faults, stalls: true, evictions: true, replays: true, orderlyStops: true },
    struck,
    kinds: struck === 'rows' ? plan.kinds : ['embedding'],
    keysPerKind: random.between(1, 4),
    members: random.between(2, 3),
    writers: 2,
    writeEveryMs: random.between(20, 400),
    faultEveryMs: random.between(40, 150),
  };
}

export function planOf(seed: number): Plan {
  const random = createRandom(seed * 31 + 7);
  return random.chance(0.3) ? stormPlan(random) : calmPlan(random);
}
