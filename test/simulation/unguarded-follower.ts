import type { Sink, Tenure } from '../../connectors/connector.ts';
import { VersionMemory } from '../../connectors/milvus/memory.ts';
import type { VersionedEmbedding } from '../../connectors/milvus/rows.ts';
import type { Collections } from '../../connectors/milvus/schema.ts';
import { openSink } from '../../connectors/milvus/sink.ts';
import type { Consistency, HeldVersions, VersionReader } from '../../connectors/milvus/versions.ts';
import type { EmbeddingWriter } from '../../connectors/milvus/writer.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { TEST_DIMENSION, TEST_SPACE } from '../support/entities.ts';
import { type Follower, type Handover, type HeldState, StateWatch } from './follower.ts';
import { contentOf, type History, sortOf } from './history.ts';
import type { Life } from './life.ts';
import { UNGUARDED_STORE, unreachable, type World } from './world.ts';

/** In less than this a write is not begun. */
const MIN_TENURE_MS = 5;

/** What one id had at one moment: each write of it adds one. */
interface Moment {
  readonly at: number;
  readonly version: number;
  readonly content: string | null;
}

/** A collection of the store. A read need not see the newest writes, unless it asks for them. */
class Collection {
  readonly #moments = new Map<string, Moment[]>();

  put(id: string, moment: Moment): void {
    const known = this.#moments.get(id);
    if (known === undefined) this.#moments.set(id, [moment]);
    else known.push(moment);
  }

  /** As of a moment; a removed row has version 0. */
  get(id: string, at: number): Moment | undefined {
    const moment = this.#moments.get(id)?.findLast((each) => each.at <= at);
    return moment === undefined || moment.version === 0 ? undefined : moment;
  }

  ids(): readonly string[] {
    return [...this.#moments.keys()];
  }
}

/**
 * A store that cannot compare and write in one step, under the real sink of Milvus with its guard and its memory: only what goes to
 * the server and comes back is simulated.
 */
export class UnguardedFollower implements Follower {
  readonly name = UNGUARDED_STORE;
  readonly kinds: readonly Kind[] = ['embedding'];
  readonly handover: Handover;
  readonly #world: World;
  readonly #watch: StateWatch;
  readonly #rows = new Collection();
  readonly #tombstones = new Collection();
  #moment = 0;

  constructor(world: World, history: History, handover: Handover) {
    this.#world = world;
    this.handover = handover;
    this.#watch = new StateWatch(world, history, this.name, false);
  }

  held(id: string): HeldState | undefined {
    const key = id.slice('embedding:'.length);
    const row = this.#rows.get(key, this.#moment);
    const tombstone = this.#tombstones.get(key, this.#moment);
    if (tombstone !== undefined && (row === undefined || row.version <= tombstone.version)) return tombstone;
    return row;
  }

  ids(): readonly string[] {
    return [...new Set([...this.#rows.ids(), ...this.#tombstones.ids()])].map((id) => `embedding:${id}`);
  }

  openSink(life: Life): Sink {
    const { bug, random } = this.#world;
    const memory = new VersionMemory({
      timestamp: () => life.call(this.name, 'is asked for a timestamp', () => String(this.#moment)),
      clock: life.clock,
    });
    const sink = openSink({
      memory,
      versions: this.#reader(life),
      writer: this.#writer(life),
      collections: COLLECTIONS,
      batchRows: random.pick([2, 100]),
      inFlight: random.between(1, 3),
    });
    if (bug !== 'memory-not-forgotten') return sink;
    memory.forget();
    return { kinds: sink.kinds, apply: (...given) => sink.apply(...given), close: () => sink.close() };
  }

  #reader(life: Life): VersionReader {
    const versions = (collection: Collection, ids: readonly string[], consistency: Consistency) =>
      life.call(this.name, `is asked for versions of ${ids.join(' ')}`, () => {
        const from = consistency === 'Strong' ? this.#moment : Number(consistency.timestamp);
        const at = this.#world.random.between(from, this.#moment);
        return new Map(ids.map((id) => [id, collection.get(id, at)?.version]));
      });
    const held: VersionReader['held'] = async (ids, { consistency = 'Strong' } = {}) => {
      const [rows, tombstones] = await Promise.all([
        versions(this.#rows, ids, consistency),
        versions(this.#tombstones, ids, consistency),
      ]);
      const found = new Map<string, HeldVersions>();
      for (const id of ids) {
        const [row, tombstone] = [rows.get(id), tombstones.get(id)];
        if (row !== undefined || tombstone !== undefined) found.set(id, { row, tombstone });
      }
      return found;
    };
    return { held } as unknown as VersionReader;
  }

  /** What connectors/milvus/calls.ts does with a tenure. */
  #write(life: Life, what: string, tenure: Tenure | undefined, effect: () => void): Promise<void> {
    const bound = this.#world.bug === 'tenure-ignored' ? undefined : tenure;
    const withinMs = bound?.remainingMs() ?? Number.POSITIVE_INFINITY;
    if (withinMs < MIN_TENURE_MS) return Promise.reject(unreachable(this.name));
    return life.call(this.name, what, effect, { withinMs });
  }

  #writer(life: Life): EmbeddingWriter {
    const { bug } = this.#world;
    let unburied: (() => Promise<void>)[] = [];
    const bury: EmbeddingWriter['bury'] = (tombstones, tenure) =>
      this.#write(
        life,
        `buries ${tombstones.map(({ id, version }) => `${id} ${version}`).join(', ')}`,
        tenure,
        () => {
          for (const { id, version } of tombstones) this.#put(this.#tombstones, id, version, null);
        },
      );
    return {
      bury: async (tombstones, tenure) => {
        if (bug !== 'row-before-tombstone') return bury(tombstones, tenure);
        unburied.push(() => bury(tombstones, tenure));
      },
      upsert: (rows: readonly VersionedEmbedding[], tenure) =>
        this.#write(
          life,
          `is given ${rows.map(({ embedding, version }) => `${embedding.id} ${version}`).join(', ')}`,
          tenure,
          () => {
            const contents = rows.map(({ embedding }) => contentOf(embedding));
            // All of the call or nothing.
            if (contents.some((content) => sortOf(content) === 'poison')) {
              throw new ChangeoverError('change-rejected', 'it is poison');
            }
            for (const [index, { embedding, version }] of rows.entries()) {
              this.#put(this.#rows, embedding.id, version, contents[index] ?? null);
            }
          },
        ),
      remove: async (ids, tenure) => {
        if (ids.length > 0) {
          await this.#write(life, `removes ${ids.join(' ')}`, tenure, () => {
            for (const id of ids) this.#put(this.#rows, id, 0, null);
          });
        }
        const waiting = unburied;
        unburied = [];
        for (const each of waiting) await each();
      },
    };
  }

  #put(collection: Collection, key: string, version: number, content: string | null): void {
    const id = `embedding:${key}`;
    const before = this.held(id);
    this.#moment += 1;
    collection.put(key, { at: this.#moment, version, content });
    this.#watch.changed(id, before, this.held(id));
  }
}

const COLLECTIONS = {
  tombstones: 'tombstones',
  hasTombstones: async () => true,
  space: async () => ({ ...TEST_SPACE, dimension: TEST_DIMENSION }),
} as unknown as Collections;
