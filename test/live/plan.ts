import { below, type Random, randomFor } from '../../society/generator/random.ts';
import { ORIGIN_STORES, type OriginStore } from './key-space.ts';
import type { KillPoint } from './kill-plan.ts';

/** Whose life it is. */
export type Role = 'writer' | 'relay' | 'run' | 'backfill';
export const TARGET_STORES = ['neo4j', 'milvus', 'postgres'] as const;

/** One kill to come. */
export interface PlannedKill {
  readonly role: Role;
  readonly point: KillPoint;
  /** As the report counts it: `legacy.redis`, `target.milvus`; `all` for who serves all stores. */
  readonly store: string;
  readonly passage: number;
  /** For a random one: after this time. */
  readonly afterMs: number;
}

/** A process that is started again after each of its kills. */
export interface Slot {
  readonly role: Role;
  /** The origin store of a writer or relay. */
  readonly origin: OriginStore | undefined;
  readonly kills: readonly PlannedKill[];
}

type Choice = Pick<PlannedKill, 'role' | 'point' | 'store'>;

/** Passages of one process until its end, at most: what it comes by within a few seconds. */
const MOST_PASSAGES: { readonly [P in KillPoint]: number } = {
  'after-store-commit': 30,
  'before-publish': 12,
  'after-publish': 12,
  'mid-journal': 40,
  'before-sync': 40,
  'mid-compaction': 14,
  'mid-batch': 10,
  'before-commit': 10,
  random: 1,
};
const RANDOM_AFTER_MS = { least: 900, most: 3_500 } as const;

function choices(): readonly Choice[] {
  const ofOrigin = (role: Role, points: readonly KillPoint[], stores = ORIGIN_STORES): readonly Choice[] =>
    stores.flatMap((store) => points.map((point) => ({ role, point, store: `legacy.${store}` })));
  return [
    ...ofOrigin('writer', ['after-store-commit', 'random']),
    ...ofOrigin('writer', ['mid-journal', 'before-sync', 'mid-compaction'], ['dictionary']),
    ...ofOrigin('relay', ['before-publish', 'after-publish', 'random']),
    ...TARGET_STORES.flatMap((store) =>
      (['mid-batch', 'before-commit'] as const).map(
        (point): Choice => ({ role: 'run', point, store: `target.${store}` }),
      ),
    ),
    { role: 'run', point: 'random', store: 'all' },
    { role: 'backfill', point: 'random', store: 'all' },
  ];
}

/** Every kind of kill as often as every other, as far as the number allows; at least once. */
export function makePlan(kills: number, seed: number): readonly Slot[] {
  const all = choices();
  const planned = Array.from({ length: Math.max(kills, all.length) }, (_, index) => {
    const choice = all[index % all.length] as Choice;
    const random = randomFor(seed, 'world', index);
    const { least, most } = RANDOM_AFTER_MS;
    return {
      ...choice,
      passage: 1 + below(random, MOST_PASSAGES[choice.point]),
      afterMs: least + below(random, most - least),
    };
  });
  const slot = (role: Role, origin?: OriginStore): Slot => ({
    role,
    origin,
    kills: shuffled(
      planned.filter(
        (kill) => kill.role === role && (origin === undefined || kill.store === `legacy.${origin}`),
      ),
      randomFor(seed, 'world', kills + all.length),
    ),
  });
  return [
    slot('run'),
    slot('backfill'),
    ...ORIGIN_STORES.flatMap((store) => [slot('relay', store), slot('writer', store)]),
  ];
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const left = [...items];
  return items.map(() => left.splice(below(random, left.length), 1)[0] as T);
}
