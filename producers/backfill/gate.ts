import type { Clock } from '../../core/clock.ts';
import { RateLimiter } from '../../core/rate-limiter.ts';
import type { Kind } from '../../schemas/kinds.ts';

/** Where every chunk waits for its turn: first for its kind's limit, then for the operator's, which is for all kinds. */
export class Gate {
  readonly #all: RateLimiter;
  readonly #perKind: ReadonlyMap<Kind, RateLimiter>;

  constructor(kinds: readonly Kind[], clock: Clock, perSecond: number) {
    this.#all = new RateLimiter(clock, perSecond);
    this.#perKind = new Map(kinds.map((kind) => [kind, new RateLimiter(clock)]));
  }

  async take(kind: Kind, items: number, signal: AbortSignal): Promise<void> {
    await this.#perKind.get(kind)?.take(items, signal);
    await this.#all.take(items, signal);
  }

  /** Items a second over all kinds; 0 stops. */
  limitAll(perSecond: number): void {
    this.#all.set(perSecond);
  }

  limit(limits: ReadonlyMap<Kind, number>): void {
    for (const [kind, perSecond] of limits) this.#perKind.get(kind)?.set(perSecond);
  }

  /** The most that can pass now. */
  get perSecond(): number {
    const kinds = [...this.#perKind.values()].reduce((sum, { perSecond }) => sum + perSecond, 0);
    return Math.min(this.#all.perSecond, kinds);
  }
}
