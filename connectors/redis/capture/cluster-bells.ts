import type { Redis } from 'ioredis';
import type { Clock } from '../../../core/clock.ts';
import type { ClusterClient, ClusterNode } from '../client/cluster-client.ts';
import type { Layout } from '../layout.ts';

interface BellsContext {
  readonly clock: Clock;
  readonly client: ClusterClient;
  readonly layout: Layout;
}

/** What a node says of a slot of its own. */
export interface Rung {
  /** What has changed: the outbox, or when something expires. */
  readonly what: 'outbox' | 'expiries';
  readonly own: Layout;
}

/** Between two tries to hang one where it does not stay. */
const HANG_AGAIN_MS = 1_000;
const INVALIDATIONS = '__redis__:invalidate';
const NAMES = /(outbox|expiries)(\{[0-9a-z]+\})(?=,|$)/g;

/**
 * Tells which outboxes have something new. A cluster cannot be asked to wait for several keys, so each primary is asked, on a
 * connection of its own, to say which keys of certain names change (the tracking that is meant for caches): all that
 * changed in one round of its own in one message, and at no cost to who writes. It only rings: what is there is read
 * elsewhere. Where a bell was not heard for a while, `missed` says so.
 */
export class ClusterBells {
  readonly #context: BellsContext;
  readonly #ring: (rung: Rung) => void;
  readonly #missed: () => void;
  readonly #bells = new Map<string, Bell>();
  #closed = false;

  constructor(context: BellsContext, ring: (rung: Rung) => void, missed: () => void) {
    this.#context = context;
    this.#ring = ring;
    this.#missed = missed;
  }

  /** Sees to it that each primary has a bell. Whether all of them ring. */
  attend(): boolean {
    if (this.#closed) return false;
    const nowMs = this.#context.clock.elapsedMs();
    const nodes = this.#context.client.parts();
    const names = new Set(nodes.map(({ name }) => name));
    for (const [name, bell] of this.#bells) {
      if (names.has(name) && (bell.state !== 'broken' || nowMs - bell.sinceMs < HANG_AGAIN_MS)) continue;
      bell.redis.disconnect();
      this.#bells.delete(name);
    }
    for (const node of nodes) if (!this.#bells.has(node.name)) this.#bells.set(node.name, this.#hang(node));
    return [...this.#bells.values()].every(({ state }) => state === 'ringing');
  }

  close(): void {
    this.#closed = true;
    for (const { redis } of this.#bells.values()) redis.disconnect();
    this.#bells.clear();
  }

  #hang(node: ClusterNode): Bell {
    const sinceMs = this.#context.clock.elapsedMs();
    const bell: Bell = { redis: node.separate(), sinceMs, state: 'hanging' };
    bell.redis.on('close', () => {
      bell.state = 'broken';
    });
    bell.redis.on('message', (_channel: string, names: string) => this.#hear(names));
    this.#connect(bell.redis).then(
      () => {
        if (bell.state === 'hanging') bell.state = 'ringing';
        this.#missed();
      },
      () => {
        bell.state = 'broken';
      },
    );
    return bell;
  }

  async #connect(redis: Redis): Promise<void> {
    const { bookkeepingPrefix } = this.#context.layout;
    await redis.connect();
    const id = await redis.client('ID');
    const names = ['outbox', 'expiries'].flatMap((name) => ['PREFIX', `${bookkeepingPrefix}${name}{`]);
    await redis.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...names);
    await redis.subscribe(INVALIDATIONS);
  }

  #hear(names: string): void {
    // Nothing in particular: everything was flushed.
    if (names === '') this.#missed();
    for (const [, what, tag = ''] of names.matchAll(NAMES)) {
      this.#ring({ what: what === 'outbox' ? 'outbox' : 'expiries', own: this.#context.layout.at(tag) });
    }
  }
}

interface Bell {
  readonly redis: Redis;
  readonly sinceMs: number;
  state: 'hanging' | 'ringing' | 'broken';
}
