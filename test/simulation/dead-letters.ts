import type { DeadLetter, LogPlace } from '../../log/log.ts';

/** What was refused, by the store that refused it: outlives all processes. */
export class DeadLetters {
  readonly #places = new Set<string>();

  add(letters: readonly DeadLetter[]): void {
    for (const letter of letters) this.#places.add(placeOf(letter.sink, letter));
  }

  has(store: string, record: LogPlace): boolean {
    return this.#places.has(placeOf(store, record));
  }
}

function placeOf(store: string, { kind, partition, offset }: LogPlace): string {
  return `${store} ${kind}/${partition}/${offset}`;
}
