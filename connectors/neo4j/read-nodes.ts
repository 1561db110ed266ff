import type { Neo4jClient } from './client.ts';
import { type NodeNames, quoted } from './names.ts';
import { type Properties, readVersion } from './values.ts';

/** A node as it was read; its version was read before its content. */
export interface ReadNode {
  readonly at: string;
  readonly version: number | null;
  readonly properties: Properties;
  readonly stub: boolean;
  /** Why its properties are not all of it, where that is so. */
  readonly fault: string | undefined;
}

/** Which nodes: by element id, or by key. */
type Chosen = { readonly ats: readonly string[] } | { readonly keys: readonly string[] };

/**
 * Reads nodes of one label: all versions first, then all contents, so that no version is newer than the content that
 * it is given with, however the two statements meet a writer. (One statement would not do: a reader may see half of
 * a transaction that is being applied.)
 */
export async function readNodes(
  client: Neo4jClient,
  { label, stub }: NodeNames,
  chosen: Chosen,
): Promise<readonly ReadNode[]> {
  const match =
    'ats' in chosen
      ? `MATCH (n) WHERE elementId(n) IN $ats AND n:${quoted(label)}`
      : `MATCH (n:${quoted(label)}) WHERE n.id IN $keys`;
  const [versions, contents] = await client.transact((transaction) =>
    Promise.all([
      transaction.run(`${match} RETURN elementId(n) AS at, n._version AS version`, chosen),
      transaction.run(
        `${match} RETURN elementId(n) AS at, properties(n) AS properties, n:${quoted(stub)} AS stub,
           n.\`__proto__\` IS NOT NULL AS hidden`,
        chosen,
      ),
    ]),
  );
  const versionOf = new Map(versions.rows.map((row) => [row.get('at'), row.get('version')]));
  return contents.rows
    .filter((row) => versionOf.has(row.get('at')))
    .map((row): ReadNode => {
      const properties: Properties = row.get('properties');
      return {
        at: row.get('at'),
        version: readVersion(versionOf.get(row.get('at'))),
        properties,
        // An application that does not know of stubs may have filled one.
        stub: row.get('stub') && Object.keys(properties).length === 1,
        fault: hiddenFault(row.get('hidden')),
      };
    });
}

/** The driver builds plain objects, and a plain object silently drops what is assigned to this name. */
export function hiddenFault(hidden: boolean): string | undefined {
  return hidden ? 'it has a property named __proto__' : undefined;
}
