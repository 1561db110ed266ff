import type { Cluster, Redis } from 'ioredis';

/** Which servers were sent a script's text on the connection that there is. */
export class ScriptKnowledge {
  readonly #redis: Redis | Cluster;
  readonly #known = new Set<string>();

  /** `forgotten` is called when a connection broke: the next one may be to a server that was started anew. */
  constructor(redis: Redis | Cluster, forgotten: () => void) {
    this.#redis = redis;
    const forget = () => {
      this.#known.clear();
      forgotten();
    };
    if (!('slots' in redis)) {
      redis.on('close', forget);
      return;
    }
    for (const node of redis.nodes('all')) node.on('close', forget);
    redis.on('+node', (node: Redis) => node.on('close', forget));
  }

  /** Whether the call has to bring the text; then the next one need not. */
  needsText(slot: number | undefined): boolean {
    const server = this.#serverOf(slot);
    if (server === undefined) return true;
    const first = !this.#known.has(server);
    this.#known.add(server);
    return first;
  }

  #serverOf(slot: number | undefined): string | undefined {
    if (!('slots' in this.#redis)) return '';
    return slot === undefined ? undefined : this.#redis.slots[slot]?.[0];
  }
}
