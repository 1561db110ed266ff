import type { Neo4jClient, Parameters, Row, Transaction } from './client.ts';
import { type NodeNames, quoted } from './names.ts';
import { type Properties, readVersion, VERSION } from './values.ts';
import type { Placed } from './walk-ids.ts';

/** A node as it was read; its version was read before its content. */
export interface ReadNode {
  readonly at: string;
  readonly version: number | null;
  readonly properties: Properties;
  readonly stub: boolean;
  /** Why its properties are not all of it, where that is so. */
  readonly fault: string | undefined;
}

/** Which nodes: those that were met by a walk (with their versions, where it has read them), or those of some keys. */
type Chosen = { readonly placed: readonly Placed[] } | { readonly keys: readonly string[] };

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
  const [match, parameters] =
    'placed' in chosen
      ? [
          `MATCH (n) WHERE elementId(n) IN $ats AND n:${quoted(label)}`,
          { ats: chosen.placed.map(({ at }) => at) },
        ]
      : [`MATCH (n:${quoted(label)}) WHERE n.id IN $keys`, chosen];
  const known = 'placed' in chosen ? knownVersions(chosen.placed) : undefined;
  return await client.transact(async (transaction) => {
    const [versions, contents] = await Promise.all([
      known ?? readVersions(transaction, match, parameters),
      transaction.run(
        `${match} RETURN elementId(n) AS at, properties(n) AS properties, n:${quoted(stub)} AS stub,
           n.\`__proto__\` IS NOT NULL AS hidden`,
        parameters,
      ),
    ]);
    return contents.rows.flatMap((row) => {
      const at: string = row.get('at');
      return versions.has(at) ? nodeOf(row, at, readVersion(versions.get(at))) : [];
    });
  });
}

type Versions = ReadonlyMap<string, unknown>;

function knownVersions(placed: readonly Placed[]): Versions | undefined {
  if (placed.some(({ version }) => version === undefined)) return undefined;
  return new Map(placed.map(({ at, version }) => [at, version]));
}

async function readVersions(
  transaction: Transaction,
  match: string,
  parameters: Parameters,
): Promise<Versions> {
  const { rows } = await transaction.run(
    `${match} RETURN elementId(n) AS at, n.${VERSION} AS version`,
    parameters,
  );
  return new Map(rows.map((row) => [row.get('at'), row.get('version')]));
}

function nodeOf(row: Row, at: string, version: number | null): ReadNode {
  const properties: Properties = row.get('properties');
  return {
    at,
    version,
    properties,
    // An application that does not know of stubs may have filled one.
    stub: row.get('stub') === true && Object.keys(properties).length === 1,
    fault: hiddenFault(row.get('hidden') === true),
  };
}

/** The driver builds plain objects, and a plain object silently drops what is assigned to this name. */
export function hiddenFault(hidden: boolean): string | undefined {
  return hidden ? 'it has a property named __proto__' : undefined;
}
