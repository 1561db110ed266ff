import type { EntityOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { below, pick, type Random, unit } from '../../society/generator/random.ts';
import type { Write } from './evidence.ts';
import { entityAt, firstTokenOf, isThereAtFirst, KEYS_PER_KIND, KINDS_OF, keyAt } from './key-space.ts';
import type { Way, WriterOptions } from './writer-options.ts';

/** A write that is about to be asked for. */
export interface Ask {
  readonly kind: Kind;
  readonly key: string;
  readonly token: number;
  readonly entity: EntityOf[Kind] | null;
  readonly eventId: string | null;
}

/** What one process believes of the keys that it shares with others: good enough to choose by. */
export interface Beliefs {
  note(kind: Kind, key: string, alive: boolean): void;
  /** Indexes of the keys of a kind that are believed to be there, or not to be. */
  of(kind: Kind, alive: boolean): readonly number[];
  nextToken(): number;
  /** A write of an earlier incarnation once more; undefined for a key that is not of this writer. */
  repeated(kind: Kind, key: string, token: number, isDelete: boolean): Ask | undefined;
}

export function openBeliefs(
  { store, incarnation }: Pick<WriterOptions, 'store' | 'incarnation'>,
  before: readonly Write[],
): Beliefs {
  const indexes = new Map<string, number>();
  const alive = new Map<string, boolean>();
  for (const kind of KINDS_OF[store]) {
    for (let index = 0; index < KEYS_PER_KIND; index++) {
      indexes.set(`${kind} ${keyAt(kind, index)}`, index);
      alive.set(`${kind} ${index}`, isThereAtFirst(index));
    }
  }
  const note = (kind: Kind, key: string, there: boolean): void => {
    alive.set(`${kind} ${indexes.get(`${kind} ${key}`)}`, there);
  };
  for (const { kind, key, content, acknowledgedAt } of before)
    if (acknowledgedAt !== null) note(kind, key, content !== null);
  let token = firstTokenOf(incarnation);
  return {
    note,
    of: (kind, there) =>
      Array.from({ length: KEYS_PER_KIND }, (_, index) => index).filter(
        (index) => alive.get(`${kind} ${index}`) === there,
      ),
    nextToken: () => token++,
    repeated: (kind, key, old, isDelete) => {
      const index = indexes.get(`${kind} ${key}`);
      if (index === undefined) return undefined;
      return { kind, key, token: old, entity: isDelete ? null : entityAt(kind, index, old), eventId: null };
    },
  };
}

const INSERTS = 0.33;
const UPDATES = 0.33;

/** Ways in which a write can be asked for with an event id. */
export const TAKES_EVENT_IDS: readonly Way[] = ['capture', 'shim'];

/** A third each of inserts, updates and deletes, as far as the keys allow. */
export function nextAsk(store: WriterOptions['store'], way: Way, beliefs: Beliefs, random: Random): Ask {
  const kind = pick<Kind>(random, kindsFor(store, way));
  const [there, absent] = [beliefs.of(kind, true), beliefs.of(kind, false)];
  const chance = unit(random);
  const isInsert = chance < INSERTS;
  const isDelete = !isInsert && chance >= INSERTS + UPDATES && there.length > 0;
  const choice = isInsert ? absent : there;
  const index = choice.length > 0 ? pick(random, choice) : below(random, KEYS_PER_KIND);
  const token = beliefs.nextToken();
  // Half of the writes are asked for again when nobody heard of their end. Neo4j's driver does so by itself where the answer to a commit is
  // lost, and a write without an event id is two then (docs/delivery-guarantees.md).
  const isAskedAgain = TAKES_EVENT_IDS.includes(way) && (store === 'neo4j' || token % 2 === 0);
  const eventId = isAskedAgain ? `live ${store} ${token}` : null;
  const entity = isDelete ? null : entityAt(kind, index, token);
  return { kind, key: keyAt(kind, index), token, entity, eventId };
}

/** The elements of lists are not updated or deleted one by one by an application that uses Redis' own commands. */
function kindsFor(store: WriterOptions['store'], way: Way): readonly Kind[] {
  return way === 'intercept' ? ['q-value', 'policy'] : KINDS_OF[store];
}
