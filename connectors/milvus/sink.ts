import { byHalves } from '../../core/by-halves.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { chunked, forEachLimited } from '../../core/sequence.ts';
import { serial } from '../../core/serial.ts';
import type { Change, ChangeOf, Embedding } from '../../schemas/change.ts';
import { spaceFault, spaceOf } from '../../schemas/embedding-space.ts';
import { isNewer } from '../../schemas/version.ts';
import { coalescingSink } from '../coalescing-sink.ts';
import { APPLIED, type Outcome, rejected, type Sink, STALE } from '../connector.ts';
import type { VersionedEmbedding } from './rows.ts';
import type { Collections } from './schema.ts';
import { type HeldVersions, isLeftover, NOTHING_HELD, newestOf, type VersionReader } from './versions.ts';
import type { EmbeddingWriter, Tombstone } from './writer.ts';

interface SinkOptions {
  readonly collections: Collections;
  readonly versions: VersionReader;
  readonly writer: EmbeddingWriter;
  readonly batchRows: number;
  readonly inFlight: number;
}

/** The server takes 64 MiB; with JSON and keys around the vectors this is well below. */
const MAX_UPSERT_BYTES = 16 * 1024 * 1024;

/**
 * Milvus has no conditional write, so the guard is read, compare, write: right while each key has one writer. What was
 * offered is settled before the next batch is begun, so a batch reads what the one before it wrote.
 */
export function openSink(options: SinkOptions): Sink {
  const { collections } = options;
  const inOrder = serial();
  return coalescingSink({
    kinds: ['embedding'],
    // The connection belongs to the store, which closes it.
    close: async () => {},
    applyDistinct: (_kind, changes) =>
      inOrder(async () => {
        if (!(await collections.hasTombstones())) {
          throw new ChangeoverError('mismatch', `There is no collection ${collections.tombstones}.`, {
            hint: 'Let the store be prepared first.',
          });
        }
        return new Batch(options, changes as readonly ChangeOf<'embedding'>[]).apply();
      }),
  });
}

/** One batch, each key once: sorts out who wins, then writes. */
class Batch {
  readonly #options: SinkOptions;
  readonly #changes: readonly ChangeOf<'embedding'>[];
  readonly #outcomes = new Map<string, Outcome>();
  readonly #upserts: VersionedEmbedding[] = [];
  readonly #tombstones: Tombstone[] = [];
  readonly #removals: string[] = [];

  constructor(options: SinkOptions, changes: readonly ChangeOf<'embedding'>[]) {
    this.#options = options;
    this.#changes = changes;
  }

  async apply(): Promise<readonly Outcome[]> {
    const held = await this.#options.versions.held(this.#changes.map((change) => change.key));
    const newer: ChangeOf<'embedding'>[] = [];
    for (const change of this.#changes) {
      if (this.#guard(change, held.get(change.key) ?? NOTHING_HELD)) newer.push(change);
    }
    await this.#checkSpace(newer);
    // Both have let go before an error is thrown: no write of this batch may meet one of the next.
    await forEachLimited([() => this.#bury(), () => this.#upsertAll()], 2, (work) => work());
    return this.#changes.map((change) => this.#outcomes.get(change.key) ?? STALE);
  }

  #passes(change: Change, fault: string | undefined): boolean {
    if (fault !== undefined) this.#outcomes.set(change.key, rejected(fault));
    return fault === undefined;
  }

  /** True for an embedding that is newer than what is held. Deletes are taken note of here. */
  #guard(change: ChangeOf<'embedding'>, held: HeldVersions): boolean {
    const { key, version } = change;
    if (!isNewer(version, newestOf(held))) {
      if (isLeftover(held)) this.#removals.push(key);
      return false;
    }
    this.#outcomes.set(key, APPLIED);
    if (change.after !== null) return true;
    this.#tombstones.push({ id: key, version });
    if (held.row !== undefined) this.#removals.push(key);
    return false;
  }

  /** The first embedding of all decides which space the collection has. */
  async #checkSpace(newer: readonly ChangeOf<'embedding'>[]): Promise<void> {
    const { collections } = this.#options;
    for (const change of newer) {
      const embedding = change.after as Embedding;
      const space = (await collections.space()) ?? (await collections.makeEmbeddings(spaceOf(embedding)));
      if (this.#passes(change, spaceFault(embedding, space))) {
        this.#upserts.push({ version: change.version, embedding });
      }
    }
  }

  /** The tombstone first: whatever happens then, the row is known to be dead. */
  async #bury(): Promise<void> {
    const { writer, batchRows } = this.#options;
    for (const part of chunked(this.#tombstones, batchRows)) await writer.bury(part);
    await writer.remove(this.#removals);
  }

  /** The server takes all rows of a call or none. */
  async #upsertAll(): Promise<void> {
    const { batchRows, inFlight, writer } = this.#options;
    const parts = Array.from(upsertParts(this.#upserts, batchRows));
    await forEachLimited(parts, inFlight, (part) =>
      byHalves(
        part,
        (some) => writer.upsert(some),
        ({ embedding }, error) => this.#outcomes.set(embedding.id, rejected(messageOf(error))),
      ),
    );
  }
}

function* upsertParts(
  embeddings: readonly VersionedEmbedding[],
  maxRows: number,
): Generator<readonly VersionedEmbedding[]> {
  const bytesOfOne = embeddings[0]?.embedding.vector.byteLength ?? 0;
  const rows = Math.floor(MAX_UPSERT_BYTES / (bytesOfOne + MAX_ROW_EXTRA_BYTES));
  yield* chunked(embeddings, Math.max(1, Math.min(maxRows, rows)));
}

/** Two keys and the metadata at their largest would be 66 KiB; few are. */
const MAX_ROW_EXTRA_BYTES = 8 * 1024;
