import type { Kind } from '../../schemas/kinds.ts';
import type { Pressure } from './pressure.ts';

const DECREASE = 0.7;
const INCREASE = 1.15;
/** How much the last second counts in the rate that is told. */
const SMOOTHING = 0.3;
/** A limit so far above what the kind ever needed is none. */
const ENOUGH = 2;

interface KindState {
  /** Published since the last decision. */
  fresh: number;
  perSecond: number;
  /** What the steps down and up have come to; infinite where nothing is held back. */
  limit: number;
  /** How fast it was when it was first held back. */
  freeRate: number;
}

/**
 * How fast each kind may go. Where the pressure says what it can bear, that; else multiplicative decrease while there is
 * pressure and growth in steps when there is none, until the kind is as free as before. Never below a least rate: a
 * backfill that does not read cannot find out that the origin is well again.
 */
export class Throttle {
  readonly #leastPerSecond: number;
  readonly #kinds: ReadonlyMap<Kind, KindState>;

  constructor(kinds: readonly Kind[], leastPerSecond: number) {
    this.#leastPerSecond = leastPerSecond;
    this.#kinds = new Map(
      kinds.map((kind) => [kind, { fresh: 0, perSecond: 0, limit: Number.POSITIVE_INFINITY, freeRate: 0 }]),
    );
  }

  published(kind: Kind, items: number): void {
    const state = this.#kinds.get(kind);
    if (state !== undefined) state.fresh += items;
  }

  /** Of all kinds together, lately. */
  get perSecond(): number {
    return [...this.#kinds.values()].reduce((sum, state) => sum + state.perSecond, 0);
  }

  /**
   * The limit of each kind, after so many seconds under such pressure. What can be borne is for all processes together, and
   * divided among so many; what each of them is slowed down by itself, it is by itself.
   */
  decide(pressures: readonly Pressure[], seconds: number, sharers = 1): ReadonlyMap<Kind, number> {
    return new Map(
      Array.from(this.#kinds, ([kind, state]) => {
        state.perSecond += SMOOTHING * (state.fresh / seconds - state.perSecond);
        state.fresh = 0;
        const mine = pressures.filter(({ kinds }) => kinds.includes(kind));
        this.#step(
          state,
          mine.some(({ perSecond }) => perSecond === undefined),
        );
        const bearable = mine.map(({ perSecond = Number.POSITIVE_INFINITY }) => perSecond / sharers);
        return [kind, Math.min(state.limit, ...bearable)];
      }),
    );
  }

  #step(state: KindState, pressed: boolean): void {
    const least = this.#leastPerSecond;
    if (pressed) {
      const now = Math.max(least, state.perSecond);
      if (state.limit === Number.POSITIVE_INFINITY) state.freeRate = now;
      state.limit = Math.max(least, DECREASE * Math.min(state.limit, now));
    } else if (state.limit !== Number.POSITIVE_INFINITY) {
      state.limit *= INCREASE;
      if (state.limit > ENOUGH * state.freeRate) state.limit = Number.POSITIVE_INFINITY;
    }
  }
}
