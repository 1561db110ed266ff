import type { EntityOf } from '../../../schemas/change.ts';
import { parseKey } from '../../../schemas/keys.ts';
import { tieKey } from '../read/overlay.ts';
import { Place } from './place.ts';
import type { Places, PlacesView, TieCount } from './places.ts';

type Agent = EntityOf['agent'];
type Relationship = EntityOf['relationship'];

const NO_TIES: ReadonlyMap<string, Relationship> = new Map();

/** Writes that are planned and not durable yet, over what they change. Given up, it leaves nothing behind. */
export class Draft implements PlacesView {
  readonly #under: PlacesView;
  readonly #touched = new Map<string, Place>();
  readonly #counts: TieCount[] = [];
  /** The ids from which ties that were added here start. */
  readonly #added = new Map<string, Set<string>>();

  constructor(under: PlacesView) {
    this.#under = under;
  }

  place(id: string): Place | undefined {
    return this.#touched.get(id) ?? this.#under.place(id);
  }

  /** By its key in the log. */
  tie(key: string): Relationship | undefined {
    const identity = parseKey('relationship', key);
    return this.place(identity.source)?.ties.get(tieKey(identity));
  }

  /** Some of them may have no tie any more. */
  sourcesOf(target: string): Iterable<string> {
    const added = this.#added.get(target);
    const under = this.#under.sourcesOf(target);
    return added === undefined ? under : new Set([...under, ...added]);
  }

  untoldTies(target: string): readonly Relationship[] {
    return this.#under.untoldTies(target);
  }

  setAgent(agent: Agent): Place {
    const place = this.#touch(agent.id);
    place.setAgent(agent);
    return place;
  }

  /** The agent as it is from now on, its ties included. */
  replace(place: Place): void {
    const before = this.place(place.id)?.ties ?? NO_TIES;
    for (const [key, tie] of before) if (!place.ties.has(key)) this.#count(tie, -1);
    for (const [key, tie] of place.ties) if (!before.has(key)) this.#count(tie, 1);
    this.#touched.set(place.id, place);
  }

  removeAgent(id: string): void {
    this.#touch(id).removeAgent();
  }

  setTie(tie: Relationship): void {
    const place = this.#touch(tie.source);
    const key = tieKey(tie);
    if (!place.ties.has(key)) this.#count(tie, 1);
    place.setTie(key, tie);
  }

  removeTie(identity: Pick<Relationship, 'source' | 'type' | 'target'>): void {
    const place = this.#touch(identity.source);
    const key = tieKey(identity);
    if (place.ties.has(key)) this.#count(identity, -1);
    place.setTie(key, null);
  }

  commitTo(target: Places | Draft): void {
    for (const place of this.#touched.values()) target.put(place);
    for (const count of this.#counts) target.count(count);
  }

  put(place: Place): void {
    this.#touched.set(place.id, place);
  }

  count({ source, target, by }: TieCount): void {
    this.#count({ source, target }, by);
  }

  #touch(id: string): Place {
    const mine = this.#touched.get(id);
    if (mine !== undefined) return mine;
    const place = this.#under.place(id)?.clone() ?? Place.empty(id);
    this.#touched.set(id, place);
    return place;
  }

  #count({ source, target }: Pick<Relationship, 'source' | 'target'>, by: 1 | -1): void {
    this.#counts.push({ source, target, by });
    if (by < 0) return;
    const added = this.#added.get(target);
    if (added === undefined) this.#added.set(target, new Set([source]));
    else added.add(source);
  }
}
