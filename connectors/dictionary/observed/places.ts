import type { Change, EntityOf } from '../../../schemas/change.ts';
import { parseKey } from '../../../schemas/keys.ts';
import { parseTieKey, tieKey } from '../read/overlay.ts';
import { Place } from './place.ts';

type Relationship = EntityOf['relationship'];

/** What planning a write has to see. */
export interface PlacesView {
  place(id: string): Place | undefined;
  /** The ids from which ties to this one start. */
  sourcesOf(target: string): Iterable<string>;
  /** Legacy ties to an agent that is not there, of which nobody was told: they come to be with it. */
  untoldTies(target: string): readonly Relationship[];
}

/** How many ties lead from one id to another. */
export interface TieCount {
  readonly source: string;
  readonly target: string;
  readonly by: 1 | -1;
}

/**
 * A whole dictionary in memory, for who writes it: every agent as the application has it, and for each id from where ties
 * lead to it. Changed only after the journal is durable.
 */
export class Places implements PlacesView {
  readonly #byId = new Map<string, Place>();
  readonly #sources = new Map<string, Map<string, number>>();
  readonly #untold = new Map<string, readonly Relationship[]>();
  #agents = 0;

  /** How many agents there are. */
  get agents(): number {
    return this.#agents;
  }

  place(id: string): Place | undefined {
    return this.#byId.get(id);
  }

  /** In the order in which agents came, as a Map has them. */
  *present(): Generator<Place> {
    for (const place of this.#byId.values()) if (place.isThere) yield place;
  }

  sourcesOf(target: string): Iterable<string> {
    return this.#sources.get(target)?.keys() ?? [];
  }

  untoldTies(target: string): readonly Relationship[] {
    return this.#untold.get(target) ?? [];
  }

  setUntold(target: string, ties: readonly Relationship[]): void {
    if (ties.length > 0) this.#untold.set(target, ties);
  }

  put(place: Place): void {
    const { id } = place;
    const before = this.#byId.get(id)?.isThere === true;
    if (place.isThere && !before) {
      this.#agents++;
      // As in a Map, who comes stands last, also where ties without an agent were kept under the id.
      this.#byId.delete(id);
      this.#untold.delete(id);
    }
    if (!place.isThere && before) this.#agents--;
    if (place.isEmpty) this.#byId.delete(id);
    else this.#byId.set(id, place);
  }

  count({ source, target, by }: TieCount): void {
    const counts = this.#sources.get(target) ?? new Map<string, number>();
    const now = (counts.get(source) ?? 0) + by;
    if (now > 0) counts.set(source, now);
    else counts.delete(source);
    if (counts.size > 0) this.#sources.set(target, counts);
    else this.#sources.delete(target);
  }

  /** Adds a place with all its ties, where there was none. */
  load(place: Place): void {
    this.put(place);
    for (const { source, target } of place.ties.values()) this.count({ source, target, by: 1 });
  }

  /** What a follower has written. */
  follow(change: Change): void {
    if (change.kind === 'agent') {
      const place = this.#byId.get(change.key)?.clone() ?? Place.empty(change.key);
      if (change.after === null) place.removeAgent();
      else place.setAgent(change.after);
      this.put(place);
    } else if (change.kind === 'relationship') {
      const identity = parseKey('relationship', change.key);
      const { source, target } = identity;
      const key = tieKey(identity);
      const place = this.#byId.get(source)?.clone() ?? Place.empty(source);
      const was = place.ties.has(key);
      place.setTie(key, change.after);
      this.put(place);
      if (was !== (change.after !== null)) this.count({ source, target, by: was ? -1 : 1 });
    }
  }
}

export function targetOf(key: string): string {
  return parseTieKey(key).target;
}
