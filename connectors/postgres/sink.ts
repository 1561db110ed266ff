import { byHalves, halves } from '../../core/by-halves.ts';
import { ChangeoverError, isRejection, messageOf } from '../../core/errors.ts';
import { chunked, forEachLimited } from '../../core/sequence.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type ApplyDistinct, coalescingSink } from '../coalescing-sink.ts';
import { APPLIED, type Outcome, rejected, type Sink, STALE } from '../connector.ts';
import type { PostgresClient } from './client.ts';
import { Optimism } from './optimism.ts';
import { copyData, upsertParameters } from './rows.ts';
import { type Statements, statementsFor } from './statements.ts';
import { type Table, tableOf } from './tables.ts';

interface SinkOptions {
  readonly client: PostgresClient;
  readonly kinds: readonly Kind[];
  readonly schema: string;
  readonly batchRows: number;
  readonly poolSize: number;
}

/** Of one statement's parameters; more is parted. The protocol's own limit is 1 GB. */
const MAX_STATEMENT_BYTES = 32 * 1024 * 1024;
/**
 * A statement occupies one process of the server, and most of its time; two are half as fast again as one on two cores.
 * They have no key in common, so it does not matter which is first.
 */
const STATEMENTS_AT_ONCE = 2;
/** Below this, a second statement costs more than it wins. */
const MIN_STATEMENT_ROWS = 250;
/** Below this, the prepared statement is as fast, and takes one way to the server and back instead of two. */
const MIN_COPY_ROWS = 250;

export function openSink({ client, kinds, schema, batchRows, poolSize }: SinkOptions): Sink {
  const atOnce = Math.min(STATEMENTS_AT_ONCE, poolSize);
  const writers = new Map(kinds.map((kind) => [kind, writerOf(client, schema, tableOf(kind))]));
  const applyDistinct: ApplyDistinct = async (kind, changes) => {
    const others: Others = new Map();
    // In one order everywhere, or two transactions wait for one another's rows.
    const sorted = changes.toSorted((left, right) => (left.key < right.key ? -1 : 1));
    const share = Math.max(Math.ceil(sorted.length / atOnce), MIN_STATEMENT_ROWS);
    const batches = [...chunked(sorted, Math.min(share, batchRows))];
    await forEachLimited(batches, atOnce, async (batch) => writers.get(kind)?.(batch, others));
    return changes.map((change) => others.get(change) ?? APPLIED);
  };
  // The client belongs to the store, which closes it.
  return coalescingSink({ kinds, applyDistinct, close: async () => {} });
}

/** The outcomes that are not `applied`, which nearly all are. */
type Others = Map<Change, Outcome>;
/** When it resolves, every change of the batch has been written or is among the others. */
type Write = (batch: readonly Change[], others: Others) => Promise<void>;

function writerOf(client: PostgresClient, schema: string, table: Table): Write {
  const statements = statementsFor(schema, table);
  return copyFirst(client, statements, table, guardedUpsert(client, statements, table));
}

function guardedUpsert(client: PostgresClient, { upsert }: Statements, table: Table): Write {
  return async (batch, others) => {
    // A statement holds all of its rows or none.
    const refuse = (change: Change, error: ChangeoverError) =>
      others.set(change, rejected(messageOf(error.cause ?? error)));
    const attempt = async (part: readonly Change[]): Promise<void> => {
      const parameters = upsertParameters(table, part);
      const bytes = parameters.reduce((sum, parameter) => sum + parameter.byteLength, 0);
      if (bytes > MAX_STATEMENT_BYTES && part.length > 1) {
        for (const half of halves(part)) await byHalves(half, attempt, refuse);
      } else setStale(part, await client.query<[number]>(upsert, parameters), others);
    };
    await byHalves(batch, attempt, refuse);
  };
}

/**
 * Where all keys of a batch are new, as in a backfill into an empty store and nearly always of experiences, there is nothing
 * to guard against, and COPY costs the server a quarter less. Where any key is there already, be it as a tombstone, or any
 * row is refused, it writes nothing, and the same batch goes the guarded way.
 */
function copyFirst(client: PostgresClient, { copy }: Statements, table: Table, upsert: Write): Write {
  const optimism = new Optimism();
  return async (batch, others) => {
    if (batch.length < MIN_COPY_ROWS) return upsert(batch, others);
    if (!optimism.worthTrying) {
      await upsert(batch, others);
      optimism.rested(batch.some((change) => others.get(change) === STALE));
    } else if (await copied(client, copy, copyData(table, batch))) {
      optimism.succeeded();
    } else {
      optimism.failed();
      await upsert(batch, others);
    }
  };
}

/** False when the server refused, and nothing was written: these rows, or COPY altogether (as under row-level security). */
async function copied(client: PostgresClient, copy: string, data: Buffer): Promise<boolean> {
  if (data.byteLength > MAX_STATEMENT_BYTES) return false;
  try {
    await client.copy(copy, data);
    return true;
  } catch (error) {
    if (isRejection(error) || (error instanceof ChangeoverError && error.code === 'unsupported'))
      return false;
    throw error;
  }
}

/** `numbers`, from 1, of the changes that the guard kept out. */
function setStale(batch: readonly Change[], numbers: readonly (readonly [number])[], others: Others): void {
  for (const [number] of numbers) {
    const change = batch[number - 1];
    if (change !== undefined) others.set(change, STALE);
  }
}
