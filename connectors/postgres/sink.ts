import { byHalves, halves } from '../../core/by-halves.ts';
import { type ChangeoverError, messageOf } from '../../core/errors.ts';
import { chunked } from '../../core/sequence.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type ApplyDistinct, coalescingSink } from '../coalescing-sink.ts';
import { APPLIED, type Outcome, rejected, type Sink, STALE } from '../connector.ts';
import type { PostgresClient } from './client.ts';
import { rowKey, upsertParameters } from './rows.ts';
import { type Statements, statementsFor } from './statements.ts';
import { type Table, tableOf } from './tables.ts';

interface SinkOptions {
  readonly client: PostgresClient;
  readonly kinds: readonly Kind[];
  readonly schema: string;
  readonly batchRows: number;
}

/** Characters of one statement's parameters; more is parted. The protocol's own limit is 1 GB. */
const MAX_STATEMENT_CHARACTERS = 32 * 1024 * 1024;

export function openSink({ client, kinds, schema, batchRows }: SinkOptions): Sink {
  const writers = new Map(kinds.map((kind) => [kind, upsertOf(client, schema, tableOf(kind))]));
  const applyDistinct: ApplyDistinct = async (kind, changes) => {
    const outcomes = new Map<Change, Outcome>();
    // In one order everywhere, or two transactions wait for one another's rows.
    const sorted = changes.toSorted((left, right) => (left.key < right.key ? -1 : 1));
    for (const batch of chunked(sorted, batchRows)) await writers.get(kind)?.(batch, outcomes);
    return changes.map((change) => outcomes.get(change) ?? STALE);
  };
  // The client belongs to the store, which closes it.
  return coalescingSink({ kinds, applyDistinct, close: async () => {} });
}

type Write = (batch: readonly Change[], outcomes: Map<Change, Outcome>) => Promise<void>;

function upsertOf(client: PostgresClient, schema: string, table: Table): Write {
  const { upsert }: Statements = statementsFor(schema, table);

  const write: Write = async (batch, outcomes) => {
    // A statement holds all of its rows or none.
    const refuse = (change: Change, error: ChangeoverError) =>
      outcomes.set(change, rejected(messageOf(error.cause ?? error)));
    const attempt = async (part: readonly Change[]): Promise<void> => {
      const parameters = upsertParameters(table, part);
      const characters = parameters.reduce((sum, parameter) => sum + parameter.length, 0);
      if (characters > MAX_STATEMENT_CHARACTERS && part.length > 1) {
        for (const half of halves(part)) await byHalves(half, attempt, refuse);
      } else settle(table, part, await client.query(upsert, parameters), outcomes);
    };
    await byHalves(batch, attempt, refuse);
  };
  return write;
}

function settle(
  table: Table,
  batch: readonly Change[],
  written: readonly unknown[][],
  outcomes: Map<Change, Outcome>,
): void {
  if (written.length === batch.length) {
    for (const change of batch) outcomes.set(change, APPLIED);
    return;
  }
  const keys = new Set(written.map((row) => rowKey(table, row)));
  for (const change of batch) outcomes.set(change, keys.has(change.key) ? APPLIED : STALE);
}
