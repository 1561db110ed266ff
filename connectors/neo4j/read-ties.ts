import type { Neo4jClient } from './client.ts';
import { hiddenFault } from './read-nodes.ts';
import type { Ends } from './rows.ts';
import { type Properties, readVersion } from './values.ts';

export interface ReadTie {
  readonly ends: Ends;
  readonly version: number | null;
  readonly properties: Properties;
  readonly fault: string | undefined;
}

/** Reads relationships by element id: all versions first, then all contents (see read-nodes.ts). */
export async function readTies(
  client: Neo4jClient,
  ats: readonly string[],
): Promise<ReadonlyMap<string, ReadTie>> {
  if (ats.length === 0) return new Map();
  const [versions, contents] = await client.transact((transaction) =>
    Promise.all([
      transaction.run(
        'MATCH ()-[r]->() WHERE elementId(r) IN $ats RETURN elementId(r) AS at, r._version AS version',
        { ats },
      ),
      transaction.run(
        `MATCH (s)-[r]->(t) WHERE elementId(r) IN $ats
         RETURN elementId(r) AS at, s.id AS source, type(r) AS type, t.id AS target, properties(r) AS properties,
           r.\`__proto__\` IS NOT NULL AS hidden`,
        { ats },
      ),
    ]),
  );
  const versionOf = new Map(versions.rows.map((row) => [row.get('at'), row.get('version')]));
  const ties = new Map<string, ReadTie>();
  for (const row of contents.rows) {
    const at: string = row.get('at');
    if (!versionOf.has(at)) continue;
    ties.set(at, {
      ends: { source: row.get('source'), type: row.get('type'), target: row.get('target') },
      version: readVersion(versionOf.get(at)),
      properties: row.get('properties'),
      fault: hiddenFault(row.get('hidden')),
    });
  }
  return ties;
}
