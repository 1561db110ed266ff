import type { EntityWrite } from '../capture.ts';

/** A write, and which of the batch it is. */
export interface Asked {
  readonly write: EntityWrite;
  readonly index: number;
}

/**
 * Cuts a batch into rounds in which order does not matter, so that one transaction can write each with few statements:
 * no key and no event id twice, and no relationship beside the delete of an agent, which may be its end.
 */
export function* roundsOf(asked: readonly Asked[], size: number): Generator<readonly Asked[]> {
  let round = new Round();
  for (const each of asked) {
    if (round.asked.length >= size || !round.takes(each.write)) {
      yield round.asked;
      round = new Round();
    }
    round.add(each);
  }
  if (round.asked.length > 0) yield round.asked;
}

class Round {
  readonly asked: Asked[] = [];
  readonly #names = new Set<string>();
  #hasTies = false;
  #hasAgentDeletes = false;

  takes(write: EntityWrite): boolean {
    if (namesIn(write).some((name) => this.#names.has(name))) return false;
    if (write.kind === 'relationship') return !this.#hasAgentDeletes;
    return !(isAgentDelete(write) && this.#hasTies);
  }

  add(each: Asked): void {
    this.asked.push(each);
    for (const name of namesIn(each.write)) this.#names.add(name);
    this.#hasTies ||= each.write.kind === 'relationship';
    this.#hasAgentDeletes ||= isAgentDelete(each.write);
  }
}

const isAgentDelete = ({ kind, entity }: EntityWrite): boolean => kind === 'agent' && entity === null;

function namesIn({ kind, key, eventId }: EntityWrite): readonly string[] {
  return eventId === undefined ? [`${kind} ${key}`] : [`${kind} ${key}`, `event ${eventId}`];
}
