import type { Sink } from '../../connectors/connector.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { History } from './history.ts';
import type { Life } from './life.ts';
import type { World } from './world.ts';

export interface HeldState {
  readonly version: number;
  /** Null for a tombstone. */
  readonly content: string | null;
}

/**
 * What becomes of work that a member has begun when its partitions are shared out anew.
 *
 * - `none`: it goes on beside that of the next owner, until the member hears of it; what it has begun it ends. A store that compares
 *   and writes in one step must bear it.
 * - `leased`: the same, but nothing is begun by a member that has not heard of its group for most of the session.
 * - `settled`: as log/kafka has it. The group waits for it, or for the end of the session of a member that is not heard any more; and
 *   no write is begun, or goes on, for longer than the lease.
 */
export type Handover = 'none' | 'leased' | 'settled';

/** A store that follows the log: what outlives the processes that write to it. */
export interface Follower {
  readonly name: string;
  readonly kinds: readonly Kind[];
  readonly handover: Handover;
  /** What a reader would be told of a key. */
  held(id: string): HeldState | undefined;
  ids(): readonly string[];
  /** One process' sink. */
  openSink(life: Life): Sink;
}

/**
 * Looks at what becomes of a key with each write of a store. `strictly` where a store must leave alone what it holds already; one that
 * cannot compare and write in one step may write the same state again.
 */
export class StateWatch {
  readonly #world: World;
  readonly #history: History;
  readonly #name: string;
  readonly #strictly: boolean;

  constructor(world: World, history: History, name: string, strictly: boolean) {
    this.#world = world;
    this.#history = history;
    this.#name = name;
    this.#strictly = strictly;
  }

  changed(id: string, before: HeldState | undefined, after: HeldState | undefined): void {
    const where = `${this.#name} ${id}`;
    if (before !== undefined && (after === undefined || after.version < before.version)) {
      this.#world.violated(
        'decreased',
        `${where}: from version ${before.version} to ${after?.version ?? 'nothing'}`,
      );
      return;
    }
    if (after === undefined) return;
    if (before !== undefined && after.version === before.version) {
      if (this.#strictly || after.content !== before.content) {
        this.#world.violated('repeated', `${where}: version ${after.version} was applied over itself`);
      }
    }
    if (!this.#history.everSaid(id, after.content)) {
      this.#world.violated('invented', `${where}: version ${after.version}, ${after.content}`);
    }
  }
}
