import { ChangeoverError } from '../../../core/errors.ts';
import type { LegacyAgent } from './legacy-agent.ts';
import type { Places } from './places.ts';

/** A dictionary in memory, read as a `Map` is. */
export class ObservedMap implements ReadonlyMap<string, LegacyAgent> {
  readonly #present: () => Places | undefined;
  #places: Places | undefined;

  constructor(present: () => Places | undefined) {
    this.#present = present;
    this.#places = present();
  }

  get size(): number {
    return this.#all().agents;
  }

  get(id: string): LegacyAgent | undefined {
    return this.#all().place(id)?.raw as LegacyAgent | undefined;
  }

  has(id: string): boolean {
    return this.#all().place(id)?.isThere === true;
  }

  *keys(): MapIterator<string> {
    for (const { id } of this.#all().present()) yield id;
  }

  *values(): MapIterator<LegacyAgent> {
    for (const { raw } of this.#all().present()) yield raw as LegacyAgent;
  }

  *entries(): MapIterator<[string, LegacyAgent]> {
    for (const { id, raw } of this.#all().present()) yield [id, raw as LegacyAgent];
  }

  [Symbol.iterator](): MapIterator<[string, LegacyAgent]> {
    return this.entries();
  }

  forEach(
    work: (agent: LegacyAgent, id: string, map: ReadonlyMap<string, LegacyAgent>) => void,
    thisArgument?: unknown,
  ): void {
    for (const [id, agent] of this) work.call(thisArgument, agent, id, this);
  }

  /** What is known while the journal is opened anew after a fault, and once it is closed, is what was known before. */
  #all(): Places {
    this.#places = this.#present() ?? this.#places;
    if (this.#places !== undefined) return this.#places;
    throw new ChangeoverError('internal', 'The dictionary was read before it was opened.');
  }
}
