import type { Answer, Neo4jClient } from './client.ts';
import { quoted } from './names.ts';
import { hiddenFault } from './read-nodes.ts';
import type { Ends } from './rows.ts';
import { type Properties, readVersion, VERSION } from './values.ts';

export interface ReadTie extends Ends {
  readonly at: string;
  readonly version: number | null;
  readonly properties: Properties;
  readonly fault: string | undefined;
}

/** Reads relationships by element id; those that have gone are missing from the answer. */
export async function readTies(client: Neo4jClient, ats: readonly string[]): Promise<readonly ReadTie[]> {
  if (ats.length === 0) return [];
  return await read(client, 'MATCH (s)-[r]->(t) WHERE elementId(r) IN $ats', { ats });
}

/** Reads all relationships to nodes of the label that start from these nodes; the caller knows that they are few. */
export async function readTiesFrom(
  client: Neo4jClient,
  label: string,
  sources: readonly string[],
): Promise<readonly ReadTie[]> {
  const ties = await read(client, tiesFromText(label), { sources });
  // A source without such a relationship gives a row of nothing.
  return ties.filter(({ source, target }) => isText(source) && isText(target));
}

export const isText = (id: unknown): id is string => typeof id === 'string' && id !== '';

/**
 * The relationships of some sources. OPTIONAL makes the planner start from them: with MATCH it may start from the whole
 * label at the other end, because the label is indexed, and read everything for every group of sources.
 */
export function tiesFromText(label: string): string {
  return `MATCH (s) WHERE elementId(s) IN $sources OPTIONAL MATCH (s)-[r]->(t:${quoted(label)})`;
}

/** All versions first, then all contents (see read-nodes.ts). */
async function read(client: Neo4jClient, match: string, parameters: object): Promise<readonly ReadTie[]> {
  const [versions, contents] = await client.transact((transaction) =>
    Promise.all([
      transaction.run(`${match} RETURN elementId(r) AS at, r.${VERSION} AS version`, { ...parameters }),
      transaction.run(
        `${match}
         RETURN elementId(r) AS at, s.id AS source, type(r) AS type, t.id AS target, properties(r) AS properties,
           r.\`__proto__\` IS NOT NULL AS hidden`,
        { ...parameters },
      ),
    ]),
  );
  return combine(versions, contents);
}

function combine(versions: Answer, contents: Answer): readonly ReadTie[] {
  const versionOf = new Map(versions.rows.map((row) => [row.get('at'), row.get('version')]));
  const ties: ReadTie[] = [];
  for (const row of contents.rows) {
    const at: string = row.get('at');
    if (!versionOf.has(at)) continue;
    ties.push({
      at,
      source: row.get('source'),
      type: row.get('type'),
      target: row.get('target'),
      version: readVersion(versionOf.get(at)),
      properties: row.get('properties'),
      fault: hiddenFault(row.get('hidden')),
    });
  }
  return ties;
}
