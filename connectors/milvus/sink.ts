import { byHalves } from '../../core/by-halves.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { chunked, forEachLimited } from '../../core/sequence.ts';
import { serial } from '../../core/serial.ts';
import type { Change, ChangeOf, Embedding } from '../../schemas/change.ts';
import { spaceFault, spaceOf } from '../../schemas/embedding-space.ts';
import { isNewer } from '../../schemas/version.ts';
import { coalescingSink } from '../coalescing-sink.ts';
import { APPLIED, type Outcome, rejected, type Sink, STALE, type Tenure } from '../connector.ts';
import type { Recollection, VersionMemory } from './memory.ts';
import type { Tombstone, VersionedEmbedding } from './rows.ts';
import type { Collections } from './schema.ts';
import { type HeldVersions, isLeftover, NOTHING_HELD, newestOf, type VersionReader } from './versions.ts';
import type { EmbeddingWriter } from './writer.ts';

interface SinkOptions {
  readonly collections: Collections;
  readonly versions: VersionReader;
  readonly writer: EmbeddingWriter;
  readonly memory: VersionMemory;
  readonly batchRows: number;
  readonly inFlight: number;
}

/** The server takes 64 MiB; with JSON and keys around the vectors this is well below. */
const MAX_UPSERT_BYTES = 16 * 1024 * 1024;

/** Fewer rows than this are not worth a call of their own. */
const MIN_PART_ROWS = 250;

/**
 * Milvus has no conditional write, so the guard is read, compare, write: right while each key has one writer. What was
 * offered is settled before the next batch is begun, so a batch reads what the one before it wrote, or remembers it.
 *
 * Who owns a key is the log's affair: each call is begun only while the tenure lasts, and given up at its end. A read, too: a server
 * that hangs would keep the keys from whoever is to have them.
 *
 * A batch has each key once, so it is done in parts that need not wait for each other: one part's versions are read
 * while another's rows are written.
 */
export function openSink(options: SinkOptions): Sink {
  const { collections, memory, inFlight } = options;
  const inOrder = serial();
  const sink = coalescingSink({
    kinds: ['embedding'],
    // The connection belongs to the store, which closes it.
    close: async () => {},
    applyDistinct: (_kind, changes, tenure) =>
      inOrder(async () => {
        if (!(await collections.hasTombstones(tenure))) {
          throw new ChangeoverError('mismatch', `There is no collection ${collections.tombstones}.`, {
            hint: 'Let the store be prepared first.',
          });
        }
        try {
          const outcomes = new Map<string, Outcome>();
          const recollection = await memory.recollect(tenure);
          const parts = partsOf(changes as readonly ChangeOf<'embedding'>[], options);
          await forEachLimited(parts, inFlight, (part) =>
            new Part({ ...options, recollection, outcomes, tenure }, part).apply(),
          );
          return changes.map((change) => outcomes.get(change.key) ?? STALE);
        } catch (error) {
          // Some of it may have been written, and some of it may still be.
          memory.clear();
          throw error;
        }
      }),
  });
  return { ...sink, forget: () => memory.forget() };
}

/** As few parts as there must be, of one size, and a number of them that keeps every place busy to the end. */
function partsOf<T>(items: readonly T[], { batchRows, inFlight }: SinkOptions): readonly (readonly T[])[] {
  const rounds = Math.ceil(items.length / (batchRows * inFlight));
  const even = Math.ceil(items.length / (rounds * inFlight));
  return Array.from(chunked(items, Math.min(batchRows, Math.max(MIN_PART_ROWS, even))));
}

interface PartOptions extends SinkOptions {
  readonly recollection: Recollection;
  /** Where each change's outcome is put, by its key. */
  readonly outcomes: Map<string, Outcome>;
  readonly tenure: Tenure | undefined;
}

/** Some changes of a batch, each key once: sorts out who wins, then writes. */
class Part {
  readonly #options: PartOptions;
  readonly #changes: readonly ChangeOf<'embedding'>[];
  readonly #upserts: VersionedEmbedding[] = [];
  readonly #tombstones: Tombstone[] = [];
  readonly #removals: string[] = [];

  constructor(options: PartOptions, changes: readonly ChangeOf<'embedding'>[]) {
    this.#options = options;
    this.#changes = changes;
  }

  async apply(): Promise<void> {
    const held = await this.#held();
    const newer: ChangeOf<'embedding'>[] = [];
    for (const change of this.#changes) {
      if (this.#guard(change, held.get(change.key) ?? NOTHING_HELD)) newer.push(change);
    }
    await this.#checkSpace(newer);
    // Both have let go before an error is thrown: no write of this batch may meet one of the next.
    await forEachLimited([() => this.#bury(), () => this.#upsertAll()], 2, (work) => work());
    this.#remember(held);
  }

  /** By key: what is remembered, and of the rest what is read. */
  async #held(): Promise<ReadonlyMap<string, HeldVersions>> {
    const { versions, recollection, tenure } = this.#options;
    const held = new Map<string, HeldVersions>();
    const unknown: string[] = [];
    for (const { key } of this.#changes) {
      const remembered = recollection.recall(key);
      if (remembered === undefined) unknown.push(key);
      else held.set(key, remembered);
    }
    if (unknown.length === 0) return held;
    const read = await versions.held(unknown, { consistency: recollection.consistency, tenure });
    if (held.size === 0) return read;
    for (const [key, found] of read) held.set(key, found);
    return held;
  }

  /** All of this is confirmed now. Of what was refused nothing was written. */
  #remember(held: ReadonlyMap<string, HeldVersions>): void {
    const { outcomes, recollection } = this.#options;
    for (const { key, version, after } of this.#changes) {
      if (outcomes.get(key) !== APPLIED) recollection.remember(key, held.get(key) ?? NOTHING_HELD);
      else if (after === null) recollection.remember(key, { row: undefined, tombstone: version });
      else recollection.remember(key, { row: version, tombstone: undefined });
    }
  }

  #passes(change: Change, fault: string | undefined): boolean {
    if (fault !== undefined) this.#options.outcomes.set(change.key, rejected(fault));
    return fault === undefined;
  }

  /** True for an embedding that is newer than what is held. Deletes are taken note of here. */
  #guard(change: ChangeOf<'embedding'>, held: HeldVersions): boolean {
    const { key, version } = change;
    if (!isNewer(version, newestOf(held))) {
      if (isLeftover(held)) this.#removals.push(key);
      return false;
    }
    this.#options.outcomes.set(key, APPLIED);
    if (change.after !== null) return true;
    this.#tombstones.push({ id: key, version });
    if (held.row !== undefined) this.#removals.push(key);
    return false;
  }

  /** The first embedding of all decides which space the collection has. */
  async #checkSpace(newer: readonly ChangeOf<'embedding'>[]): Promise<void> {
    const { collections, tenure } = this.#options;
    for (const change of newer) {
      const embedding = change.after as Embedding;
      const space =
        (await collections.space(tenure)) ?? (await collections.makeEmbeddings(spaceOf(embedding), tenure));
      if (this.#passes(change, spaceFault(embedding, space))) {
        this.#upserts.push({ version: change.version, embedding });
      }
    }
  }

  /** The tombstone first: whatever happens then, the row is known to be dead. */
  async #bury(): Promise<void> {
    const { writer, batchRows, tenure } = this.#options;
    for (const part of chunked(this.#tombstones, batchRows)) await writer.bury(part, tenure);
    await writer.remove(this.#removals, tenure);
  }

  /** The server takes all rows of a call or none. */
  async #upsertAll(): Promise<void> {
    const { outcomes, writer, tenure } = this.#options;
    for (const rows of upsertParts(this.#upserts)) {
      await byHalves(
        rows,
        (some) => writer.upsert(some, tenure),
        ({ embedding }, error) => outcomes.set(embedding.id, rejected(messageOf(error))),
      );
    }
  }
}

/** Large vectors need more than one call. */
function upsertParts(embeddings: readonly VersionedEmbedding[]): Iterable<readonly VersionedEmbedding[]> {
  const bytesOfOne = embeddings[0]?.embedding.vector.byteLength ?? 0;
  const rows = Math.floor(MAX_UPSERT_BYTES / (bytesOfOne + MAX_ROW_EXTRA_BYTES));
  return chunked(embeddings, Math.max(1, rows));
}

/** Two keys and the metadata at their largest would be 66 KiB; few are. */
const MAX_ROW_EXTRA_BYTES = 8 * 1024;
