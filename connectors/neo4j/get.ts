import { groupBy } from '../../core/sequence.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Held } from '../../schemas/version.ts';
import type { NodeKind } from './apply-nodes.ts';
import { quoted } from './names.ts';
import { readNodes } from './read-nodes.ts';
import { readTies } from './read-ties.ts';
import { tombstoneKey } from './rows.ts';
import { type NodeReader, readNode } from './scan-nodes.ts';
import { readTie, type TieReader } from './scan-ties.ts';
import { readVersion } from './values.ts';
import { isSame } from './walk-ties.ts';

/** What is held of each key that is known. */
export type HeldByKey<K extends Kind> = ReadonlyMap<string, Held<K>>;
type Look<K extends Kind> = (keys: readonly string[]) => Promise<HeldByKey<K>>;

/**
 * Looks keys up. An entity that is created or deleted between the reading of nodes and that of tombstones may be missed
 * in both, so what is not found is looked for once more.
 */
export async function lookUp<K extends Kind>(
  keys: readonly string[],
  look: Look<K>,
): Promise<readonly (Held<K> | undefined)[]> {
  const held = new Map(keys.length === 0 ? [] : await look(keys));
  const missed = keys.filter((key) => !held.has(key));
  if (missed.length > 0) for (const [key, found] of await look(missed)) held.set(key, found);
  return keys.map((key) => held.get(key));
}

/** An entity wins over a tombstone: an application that knows of no tombstones may have made it again. */
export async function getNodes<K extends NodeKind>(
  reader: NodeReader<K>,
  keys: readonly string[],
): Promise<HeldByKey<K>> {
  const held = new Map<string, Held<K>>();
  const byId = groupBy(await readNodes(reader.client, reader.names, { keys }), (node) => node.properties.id);
  const tombstones = await reader.client.query(
    `MATCH (t:${quoted(reader.names.tombstone)}) WHERE t.id IN $keys RETURN t.id AS id, t.version AS version`,
    { keys },
  );
  for (const row of tombstones) {
    held.set(row.get('id'), { version: readVersion(row.get('version')), entity: null });
  }
  for (const [id, [node, ...others]] of byId) {
    if (node === undefined || node.stub || others.length > 0) continue;
    const { entity } = readNode(reader, node);
    if (entity !== undefined) held.set(String(id), { version: node.version, entity });
  }
  return held;
}

export async function getTies(
  reader: TieReader,
  tombstoneLabel: string,
  keys: readonly string[],
): Promise<HeldByKey<'relationship'>> {
  const { client } = reader;
  const held = new Map<string, Held<'relationship'>>();
  const places = await placesOf(reader, keys);
  const ties = await readTies(client, [...places.keys()]);
  const buried = new Map(keys.map((key) => [tombstoneKey(parseKey('relationship', key)), key]));
  const tombstones = await client.query(
    `MATCH (t:${quoted(tombstoneLabel)}) WHERE t.key IN $keys RETURN t.key AS key, t.version AS version`,
    { keys: [...buried.keys()] },
  );
  for (const row of tombstones) {
    held.set(buried.get(row.get('key')) ?? '', { version: readVersion(row.get('version')), entity: null });
  }
  const byKey = groupBy(ties, ({ at }) => places.get(at) ?? '');
  for (const [key, [tie, ...others]] of byKey) {
    if (tie === undefined || others.length > 0 || !isSame(tie, parseKey('relationship', key))) continue;
    const { entity } = readTie(reader, tie);
    if (entity !== undefined) held.set(key, { version: tie.version, entity });
  }
  return held;
}

/** The key of each relationship that is there, by element id. */
async function placesOf(
  { client, names }: TieReader,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const ends = keys.map((key) => parseKey('relationship', key));
  const ids = [...new Set(ends.flatMap(({ source, target }) => [source, target]))];
  const nodes = groupBy(
    await client.query(
      `MATCH (n:${quoted(names.label)}) WHERE n.id IN $ids RETURN n.id AS id, elementId(n) AS at`,
      { ids },
    ),
    (row): string => row.get('id'),
  );
  const atsOf = (id: string): readonly string[] => (nodes.get(id) ?? []).map((row) => row.get('at'));
  const pairs = ends.flatMap(({ source, target, type }, index) =>
    atsOf(source).flatMap((from) => atsOf(target).map((to) => ({ key: keys[index] ?? '', from, to, type }))),
  );
  const rows = await client.query(
    `UNWIND range(0, size($from) - 1) AS i
     MATCH (s) WHERE elementId(s) = $from[i]
     MATCH (t) WHERE elementId(t) = $to[i]
     OPTIONAL MATCH (s)-[r]->(t) WHERE type(r) = $type[i]
     RETURN i, elementId(r) AS at`,
    {
      from: pairs.map(({ from }) => from),
      to: pairs.map(({ to }) => to),
      type: pairs.map(({ type }) => type),
    },
  );
  const places = new Map<string, string>();
  for (const row of rows) {
    const [at, pair] = [row.get('at'), pairs[Number(row.get('i'))]];
    if (at !== null && pair !== undefined) places.set(at, pair.key);
  }
  return places;
}
