import type { Source } from '../../connectors/connector.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { identify } from '../support/changes.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';
import { entityFor, INDEXES, keyFor } from './entities.ts';
import { contentOf, type History, OVERSIZED } from './history.ts';
import type { World } from './world.ts';

export const ORIGIN = 'legacy.origin';
export const ORIGIN_KINDS: readonly Kind[] = ['agent', 'relationship', 'embedding', 'q-value'];

/** Policies are written to the log first: they have no origin store, as after a cutover. */
export const LOG_KINDS: readonly Kind[] = [...ORIGIN_KINDS, 'policy'];

const CLAIM_MS = 2_000;
/** What was there before anything was captured has no version; in this store it has this one, and is told without. */
const UNTOUCHED_VERSION = 1;

/** The origin store with its outbox: what outlives all processes. Writes down what it commits. */
export class Origin {
  readonly outbox: MemoryOutbox;
  readonly #world: World;

  constructor(world: World, history: History) {
    this.#world = world;
    this.outbox = new MemoryOutbox({
      name: ORIGIN,
      renewWithinMs: CLAIM_MS,
      clock: {
        nowUs: () => world.nowUs + world.originClockOffUs,
        elapsedMs: () => world.nowMs,
        // Its readers never wait in it (sim-capture.ts).
        sleep: () => Promise.resolve(),
      },
    });
    const append = this.outbox.append.bind(this.outbox);
    this.outbox.append = (whole) => {
      // As the stores do it: a change that is too large for its state before alone goes without.
      const large = contentOf(whole.before)?.includes(OVERSIZED) ?? false;
      const change = large ? ({ ...whole, before: null } as Change) : whole;
      const before = history.byEvent(change.eventId);
      if (before !== undefined)
        world.violated(
          'doubled',
          `${change.eventId} was done as version ${before.version} and as ${change.version}`,
        );
      history.add(change);
      world.say(ORIGIN, `commits ${change.kind} ${change.key} ${change.op} version ${change.version}`);
      append(change);
    };
    if (world.bug === 'version-forgotten-by-delete') this.#forgetDeleted();
  }

  /** What is there before anything is captured. */
  async fill(history: History): Promise<void> {
    const changes: Change[] = [];
    for (const kind of ORIGIN_KINDS) {
      for (const index of INDEXES(this.#world.plan.keysPerKind)) {
        // The last one is never written to.
        if (index !== this.#world.plan.keysPerKind && this.#world.random.chance(0.5)) continue;
        const after = entityFor(kind, index, index + 1, 'sound');
        const key = keyFor(kind, index);
        history.initial.set(identify({ kind, key }), contentOf(after) ?? '');
        changes.push({
          kind,
          key,
          op: 'c',
          version: UNTOUCHED_VERSION,
          before: null,
          after,
          origin: { path: 'shim', store: ORIGIN, writer: 'before' },
          eventId: `before ${kind} ${key}`,
          capturedAt: 1,
        } as Change);
      }
    }
    await this.outbox.store.sink.apply(changes);
  }

  get source(): Source {
    return this.outbox.store.source;
  }

  /** Planted: a key that is created again does not know what it must beat. */
  #forgetDeleted(): void {
    const { store } = this.outbox;
    const { source } = store;
    const get: Source['get'] = async (kind, keys) =>
      (await source.get(kind, keys)).map((held) => (held?.entity === null ? undefined : held));
    Object.defineProperty(store, 'source', { value: { ...source, get } });
  }
}

/** As a source tells it. */
export function versionToldOf(version: number | null): number | null {
  return version === UNTOUCHED_VERSION ? null : version;
}
