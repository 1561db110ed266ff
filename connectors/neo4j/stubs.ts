import { PURGE_BATCH, type PurgeOptions, type StubCount, type Stubs } from '../upkeep.ts';
import { removeIdleStubs } from './lock-nodes.ts';
import { type NodeNames, quoted } from './names.ts';
import { labelsOf, requirePrepared } from './schema.ts';
import type { StoreScope } from './scope.ts';

/** How many that are awaited are named. */
const EXAMPLES = 10;

/** A stub that an application has written on is an entity by now, whatever its label says. */
const isStub = 'size(keys(n)) = 1 AND n.id IS NOT NULL';
const isIdle = 'NOT EXISTS { (n)--() }';

/** What the sink's batches make and unmake (lock-nodes.ts); a process that was killed between two statements leaves some. */
export function stubsOf(scope: StoreScope): Stubs {
  const ours = labelsOf(scope);
  const { agent, memory } = scope.names;
  const all = [agent, memory].filter(({ label }) => ours.includes(label));
  return {
    async count() {
      const counts = await Promise.all(all.map((names) => count(scope, names)));
      return {
        idle: counts.reduce((sum, { idle }) => sum + idle, 0),
        awaited: counts.reduce((sum, { awaited }) => sum + awaited, 0),
        deleted: counts.reduce((sum, { deleted }) => sum + deleted, 0),
        examples: counts.flatMap(({ examples }) => examples).slice(0, EXAMPLES),
      };
    },
    async *removeIdle(options) {
      // Without the property of the lock, or the index of the hint, no statement does what it says (lock-nodes.ts).
      if (all.length > 0) await requirePrepared(scope);
      for (const names of all) yield* removeAllIdle(scope, names, options);
    },
  };
}

async function count({ client }: StoreScope, { stub, tombstone }: NodeNames): Promise<StubCount> {
  const [row] = await client.query(
    `MATCH (n:${quoted(stub)}) WHERE ${isStub}
     WITH n.id AS id, ${isIdle} AS idle, EXISTS { (t:${quoted(tombstone)} {id: n.id}) } AS deleted
     RETURN count(CASE WHEN idle THEN 1 END) AS idle,
       count(CASE WHEN NOT idle AND deleted THEN 1 END) AS deleted,
       collect(CASE WHEN NOT idle AND NOT deleted THEN id END)[..${EXAMPLES}] AS examples,
       count(CASE WHEN NOT idle AND NOT deleted THEN 1 END) AS awaited`,
  );
  return {
    idle: Number(row?.get('idle') ?? 0),
    awaited: Number(row?.get('awaited') ?? 0),
    deleted: Number(row?.get('deleted') ?? 0),
    examples: row?.get('examples') ?? [],
  };
}

async function* removeAllIdle(
  { client }: StoreScope,
  names: NodeNames,
  { limit = PURGE_BATCH, signal }: PurgeOptions = {},
): AsyncGenerator<number> {
  for (let after = ''; ; ) {
    signal?.throwIfAborted();
    const rows = await client.query(
      `MATCH (n:${quoted(names.stub)}) WHERE ${isStub} AND n.id > $after AND ${isIdle}
       RETURN n.id AS id ORDER BY id LIMIT toInteger($limit)`,
      { after, limit },
    );
    const keys = rows.map((row): string => row.get('id'));
    const last = keys.at(-1);
    if (last === undefined) return;
    after = last;
    yield await client.transact(async (transaction) => {
      // Asks again under the locks whether a relationship has come to need them.
      await removeIdleStubs(transaction, names, keys);
      const { rows: kept } = await transaction.run(
        `MATCH (n:${quoted(names.label)}) WHERE n.id IN $keys RETURN count(n) AS count`,
        { keys },
      );
      return keys.length - Number(kept[0]?.get('count') ?? 0);
    });
  }
}
