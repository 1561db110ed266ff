import type { ClusterClient } from '../client/cluster-client.ts';
import { pipelined } from '../client/pipelines.ts';
import type { Layout } from '../layout.ts';
import type { Expiries } from './expiries.ts';

interface SweepsContext {
  readonly client: ClusterClient;
  readonly expiries: Expiries;
}

/** Looks, in the slots of a cluster where something expires, for what is over. Each slot only when it is time. */
export class ClusterSweeps {
  readonly #context: SweepsContext;
  /** When the first key of a slot expires, in ms since 1970; undefined until it was asked. */
  readonly #due = new Map<Layout, number | undefined>();

  constructor(context: SweepsContext) {
    this.#context = context;
  }

  note(own: Layout): void {
    this.#due.set(own, undefined);
  }

  async sweep(): Promise<void> {
    await this.#ask();
    if (this.#due.size === 0) return;
    const { client, expiries } = this.#context;
    const [seconds] = await client.call((redis) => redis.time());
    // Each node has a clock of its own, and knows best: one that is asked too early says that nothing is over.
    const nowMs = (Number(seconds) + 1) * 1_000;
    for (const [own, due = 0] of this.#due) {
      if (due > nowMs) continue;
      await expiries.sweep(own);
      this.note(own);
    }
  }

  async #ask(): Promise<void> {
    const unknown = [...this.#due].filter(([, due]) => due === undefined).map(([own]) => own);
    const answers = await pipelined(
      this.#context.client,
      unknown.map((own) => ['zrange', own.expiriesKey, 0, 0, 'WITHSCORES']),
    );
    for (const [index, own] of unknown.entries()) {
      const [, due] = answers[index] as readonly string[];
      if (due === undefined) this.#due.delete(own);
      else this.#due.set(own, Number(due));
    }
  }
}
