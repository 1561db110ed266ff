import type { Writers } from './change-writer.ts';
import { BatchError, type FailurePolicy, settle } from './failure.ts';
import { type Operations, operationsOn } from './operations.ts';
import type { ShimResult } from './route-writes.ts';
import { deleteStatement, type Statement, upsertStatement, writeStatements } from './statement.ts';

export interface ShimOptions extends FailurePolicy {
  /** The capture of each kind's origin store, or the log's writer where the log is written first. */
  readonly captures: Writers;
}

/**
 * The domain API: for services that write against us instead of against a store. Each statement goes to the store that is
 * the origin of its kind, and that store makes the write, its version and its entry in the outbox one atomic unit. So
 * whatever fails, the log never misses what the store has committed.
 *
 * What an application is told of a write that was not made is the *failure policy*. `raise`: the promise rejects with a
 * ChangeoverError: `change-rejected` with the reason, where trying again will not help; `outbox-full`, `unreachable`,
 * `timeout` where it may. `log`: the promise resolves with `rejected` or `failed`, and it is logged at level error and
 * told to the observer. A write that ended in `unreachable` or `timeout` may have been made: say it again with the same event id.
 */
export interface Shim extends Operations<Promise<ShimResult>> {
  /** Collects statements of any kinds, to make them with one call for each store. */
  batch(): Batch;
}

/**
 * Statements that are written together: in their order for each store, the stores side by side. Each of them is atomic; the
 * batch is not. `write` answers one result per statement, in their order. Where the policy is `raise` and some of
 * them were not made, it rejects with a BatchError that holds the results of all.
 */
export interface Batch extends Operations<Batch> {
  readonly size: number;
  /** Writes what was collected; afterwards the batch is empty. */
  write(): Promise<readonly ShimResult[]>;
}

export function openShim(options: ShimOptions): Shim {
  const { captures } = options;

  async function write(statements: readonly Statement[]): Promise<readonly ShimResult[]> {
    const results = await writeStatements(captures, statements, 'shim');
    const names = statements.map(({ name }) => name);
    const errors = settle(names, results, options);
    const [first] = errors;
    if (first !== undefined) throw new BatchError(first, errors.length, results);
    return results;
  }

  async function writeOne(statement: Statement): Promise<ShimResult> {
    const results = await writeStatements(captures, [statement], 'shim');
    const [error] = settle([statement.name], results, options);
    if (error !== undefined) throw error;
    // One result per statement.
    return results[0] as ShimResult;
  }

  return {
    ...operationsOn<Promise<ShimResult>>({
      upsert: (kind, input, given) => writeOne(upsertStatement(kind, input, given)),
      remove: (kind, identity, given) => writeOne(deleteStatement(kind, identity, given)),
    }),
    batch: () => openBatch(write),
  };
}

function openBatch(writeAll: (statements: readonly Statement[]) => Promise<readonly ShimResult[]>): Batch {
  let statements: Statement[] = [];
  const add = (statement: Statement): Batch => {
    statements.push(statement);
    return batch;
  };
  const batch: Batch = {
    ...operationsOn<Batch>({
      upsert: (kind, input, given) => add(upsertStatement(kind, input, given)),
      remove: (kind, identity, given) => add(deleteStatement(kind, identity, given)),
    }),
    get size() {
      return statements.length;
    },
    async write() {
      const collected = statements;
      statements = [];
      return writeAll(collected);
    },
  };
  return batch;
}
