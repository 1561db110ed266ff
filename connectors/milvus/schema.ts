import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { type EmbeddingSpace, spaceDifference } from '../../schemas/embedding-space.ts';
import type { Tenure } from '../connector.ts';
import type { MilvusConnection } from './connection.ts';
import type { MilvusOptions } from './options.ts';
import { type CollectionShape, embeddingsShape, TOMBSTONES_SHAPE } from './shapes.ts';
import { type CollectionMark, markText, type Owner, parseMark } from './space.ts';

interface CollectionsOptions {
  readonly connection: MilvusConnection;
  readonly options: MilvusOptions;
  readonly owner: Owner;
  readonly clock: Clock;
}

const POLL_MS = 100;

/**
 * The two collections of this store as they are found in the server: the embeddings, whose space is fixed when they are
 * made, and the tombstones. Each carries in its description whose it is; another role's is refused.
 *
 * A description says that somebody has begun to make the collection, and is enough to read by: what is not finished yet
 * answers that it is not ready.
 */
export class FoundCollections {
  readonly embeddings: string;
  readonly tombstones: string;
  protected readonly options: CollectionsOptions;
  /** What was found in the server once and cannot change: a collection's description. */
  #space: EmbeddingSpace | undefined;
  #tombstonesMade = false;

  constructor(options: CollectionsOptions) {
    this.options = options;
    this.embeddings = options.options.collection;
    this.tombstones = `${options.options.collection}_tombstones`;
  }

  async hasTombstones(tenure?: Tenure): Promise<boolean> {
    this.#tombstonesMade ||= (await this.mark(this.tombstones, tenure)) !== undefined;
    return this.#tombstonesMade;
  }

  /** The space that the collection of embeddings has; undefined while there is no such collection. */
  async space(tenure?: Tenure): Promise<EmbeddingSpace | undefined> {
    this.#space ??= (await this.mark(this.embeddings, tenure))?.space;
    return this.#space;
  }

  /** Throws when the collection is not ours to use; undefined when there is none. */
  protected async mark(collection: string, tenure?: Tenure): Promise<CollectionMark | undefined> {
    const { connection, owner } = this.options;
    const description = await connection.description(collection, tenure);
    if (description === undefined) return undefined;
    const place = `Collection ${collection} of Milvus at ${connection.where}`;
    const hint = 'Name another collection or database in the configuration.';
    const mark = parseMark(description);
    if (mark === undefined) {
      throw new ChangeoverError('conflict', `${place} was not made by Changeover.`, { hint });
    }
    if (mark.owner.role === owner.role) return mark;
    throw new ChangeoverError(
      'conflict',
      `${place} belongs to ${mark.owner.name}, a ${mark.owner.role} store; ${owner.name} is a ${owner.role} store.`,
      { hint },
    );
  }
}

/**
 * The collections for one who writes: each is there only when it is finished, which this process sees to once. Whoever
 * began it may have died before its index was made, or still be waiting for it to be loaded.
 *
 * What is begun under a tenure ends with it, as every call does; whoever comes next finishes it.
 */
export class Collections extends FoundCollections {
  /** What this process has finished itself. */
  #space: EmbeddingSpace | undefined;
  #tombstonesFinished = false;
  /** The one attempt to finish the collection of embeddings that is under way in this process. */
  #making: Promise<EmbeddingSpace> | undefined;

  /** Makes what is not there, also in the middle of another process that does the same. */
  async prepare(): Promise<void> {
    await this.#finishTombstones();
    const configured = this.#configuredSpace();
    const space = (await this.space()) ?? (configured && (await this.makeEmbeddings(configured)));
    const different = space && configured && spaceDifference(configured, space);
    if (different === undefined) return;
    throw new ChangeoverError(
      'mismatch',
      `Collection ${this.embeddings} has another embedding space: ${different}.`,
      {
        hint: 'Correct model, revision, dimension, metric and normalised, or name another collection.',
      },
    );
  }

  override async hasTombstones(tenure?: Tenure): Promise<boolean> {
    if (!this.#tombstonesFinished && (await super.hasTombstones(tenure)))
      await this.#finishTombstones(tenure);
    return this.#tombstonesFinished;
  }

  override async space(tenure?: Tenure): Promise<EmbeddingSpace | undefined> {
    if (this.#space !== undefined) return this.#space;
    const begun = await super.space(tenure);
    return begun && this.makeEmbeddings(begun, tenure);
  }

  /**
   * Makes the collection of embeddings for this space, or finishes it. Answers the space that it has then: another one,
   * where somebody else was quicker.
   */
  makeEmbeddings(space: EmbeddingSpace, tenure?: Tenure): Promise<EmbeddingSpace> {
    this.#making ??= this.#makeEmbeddings(space, tenure).finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #makeEmbeddings(wanted: EmbeddingSpace, tenure: Tenure | undefined): Promise<EmbeddingSpace> {
    const { owner, options } = this.options;
    const shape = embeddingsShape(wanted, options.indexProfile);
    const mark = await this.#ensure(this.embeddings, { owner, space: wanted }, shape, tenure);
    this.#space = mark.space ?? wanted;
    return this.#space;
  }

  async #finishTombstones(tenure?: Tenure): Promise<void> {
    const { owner } = this.options;
    await this.#ensure(this.tombstones, { owner, space: undefined }, TOMBSTONES_SHAPE, tenure);
    this.#tombstonesFinished = true;
  }

  #configuredSpace(): EmbeddingSpace | undefined {
    const { model, dimension, revision, metric, normalised } = this.options.options;
    if (model === undefined || dimension === undefined) return undefined;
    return { model, revision, metric, normalised, dimension };
  }

  /** Collection, index, loaded: each may be there already, from a process that did not come to its end. */
  async #ensure(
    collection: string,
    wanted: CollectionMark,
    { fields, index }: CollectionShape,
    tenure: Tenure | undefined,
  ): Promise<CollectionMark> {
    const { connection } = this.options;
    let mark = await this.mark(collection, tenure);
    if (mark === undefined) {
      const description = markText(wanted);
      mark = await this.#unlessQuicker(
        () => connection.createCollection({ collection, description, fields }, tenure),
        () => this.mark(collection, tenure),
      );
    }
    const hasIndex = () => connection.hasIndex(collection, index.field, tenure);
    if (!(await hasIndex())) {
      await this.#unlessQuicker(
        () => connection.createIndex({ collection, ...index }, tenure),
        async () => (await hasIndex()) || undefined,
      );
    }
    await this.#load(collection, tenure);
    return mark;
  }

  /** Makes something, then looks; what somebody else made in between is as good. */
  async #unlessQuicker<T>(make: () => Promise<void>, look: () => Promise<T | undefined>): Promise<T> {
    let failure: unknown;
    try {
      await make();
    } catch (error) {
      failure = error;
    }
    const found = await look();
    if (found !== undefined) return found;
    throw failure ?? new ChangeoverError('mismatch', 'Milvus confirmed a collection, but does not show it.');
  }

  async #load(collection: string, tenure: Tenure | undefined): Promise<void> {
    const { connection, clock, options } = this.options;
    if (await connection.isLoaded(collection, tenure)) return;
    await connection.load(collection, tenure);
    const deadlineMs = clock.elapsedMs() + options.loadTimeoutMs;
    while (!(await connection.isLoaded(collection, tenure))) {
      if (clock.elapsedMs() > deadlineMs) {
        throw new ChangeoverError('timeout', `Milvus at ${connection.where} does not load ${collection}.`, {
          hint: "Look at the server's memory and log, or raise loadTimeoutMs.",
        });
      }
      await clock.sleep(POLL_MS);
    }
  }
}
