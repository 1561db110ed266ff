import { type Driver, int } from 'neo4j-driver';
import { chunked } from '../../core/sequence.ts';
import type { Scalar } from '../../schemas/change.ts';
import type { NodeChange, TieChange } from './neo4j-content.ts';
import type { Contender } from './neo4j-contest.ts';

export interface RawOptions {
  readonly driver: Driver;
  readonly database: string;
  /** Has the constraint and indexes that ours has. */
  readonly label: string;
  /** Rows in one transaction. */
  readonly batchSizes: BatchSizes;
  readonly sessions: number;
}

export interface BatchSizes {
  readonly nodes: number;
  readonly relationships: number;
}

/** The fastest hand-written loop with a guard of its own: no tombstones, no stubs, no locks, nothing answered. */
export function rawLoop({ driver, database, label, batchSizes, sessions }: RawOptions): Contender {
  async function inBatches<C extends NodeChange | TieChange>(
    changes: readonly C[],
    batchSize: number,
    text: string,
    rowOf: (change: C) => object,
  ): Promise<void> {
    const sorted = [...changes].sort((left, right) => (left.key < right.key ? -1 : 1));
    const batches = chunked(sorted, batchSize);
    const work = async (): Promise<void> => {
      const session = driver.session({ database, fetchSize: -1 });
      for (const batch of batches) {
        const parameters = { rows: batch.map(rowOf) };
        // Two sessions deadlock where relationships share their ends; one has nothing to wait for.
        if (sessions === 1) await session.run(text, parameters);
        else
          await session.executeWrite(async (transaction) => void (await transaction.run(text, parameters)));
      }
      await session.close();
    };
    await Promise.all(Array.from({ length: sessions }, work));
  }

  return {
    name: `raw loop, ${batchSizes.nodes} nodes / ${batchSizes.relationships} relationships`,
    sessions,
    nodes: (changes) =>
      inBatches(
        changes,
        batchSizes.nodes,
        `UNWIND $rows AS row
         MERGE (n:${label} {id: row.id})
         WITH n, row WHERE coalesce(n._version < row._version, true)
         SET n = row`,
        nodeRow,
      ),
    relationships: (changes) =>
      inBatches(
        changes,
        batchSizes.relationships,
        `UNWIND $rows AS row
         MATCH (a:${label} {id: row.source}) MATCH (b:${label} {id: row.target})
         MERGE (a)-[r:KNOWS]->(b)
         WITH r, row WHERE coalesce(r._version < row.version, true)
         SET r.strength = row.strength, r.since = datetime({epochMillis: row.since}), r.migrated = true,
           r._version = row.version`,
        tieRow,
      ),
    close: async () => {},
  };
}

const stored = (value: Scalar): unknown =>
  typeof value === 'number' && Number.isSafeInteger(value) ? int(value) : value;

function nodeRow({ after, version }: NodeChange): object {
  const row: Record<string, unknown> = {
    id: after?.id,
    type: after?.type,
    active: after?.active,
    _version: int(version),
  };
  for (const [name, value] of Object.entries(after?.attributes ?? {})) row[name] = stored(value);
  return row;
}

function tieRow({ after, version }: TieChange): object {
  return {
    source: after?.source,
    target: after?.target,
    version: int(version),
    strength: stored(after?.strength ?? 0),
    since: stored(after?.since ?? 0),
  };
}
