import type { Driver } from 'neo4j-driver';
import neo4j from 'neo4j-driver';
import { keyOf } from '../../schemas/keys.ts';
import { canonical } from './canonical.ts';
import { type HeldState, placeOf } from './evidence.ts';
import { greater, type TargetReader } from './target-reader.ts';

type Row = Readonly<Record<string, unknown>>;

/** A graph that follows the log: agents, relationships between them, and the tombstones beside. */
export function openNeo4jTarget(driver: Driver, database: string, label: string): TargetReader {
  const rowsOf = async (text: string, parameters: object = {}): Promise<readonly Row[]> => {
    const { records } = await driver.executeQuery(text, parameters, {
      database,
      routing: neo4j.routing.READ,
    });
    return records.map((record) => record.toObject() as Row);
  };
  const stub = `ChangeoverStub_${label}`;
  const buriedAgent = `ChangeoverAgentTombstone_${label}`;
  const buriedTie = `ChangeoverRelationshipTombstone_${label}`;

  const states = async (): Promise<ReadonlyMap<string, HeldState>> => {
    const found = new Map<string, HeldState>();
    for (const { id, version } of await rowsOf(
      `MATCH (t:\`${buriedAgent}\`) RETURN t.id AS id, t.version AS version`,
    ))
      found.set(placeOf({ kind: 'agent', key: String(id) }), { version: numberOf(version), content: null });
    for (const { key, version } of await rowsOf(
      `MATCH (t:\`${buriedTie}\`) RETURN t.key AS key, t.version AS version`,
    )) {
      const place = placeOf({ kind: 'relationship', key: tieKeyOf(String(key)) });
      found.set(place, { version: numberOf(version), content: null });
    }
    for (const { all } of await rowsOf(
      `MATCH (n:\`${label}\`) WHERE NOT n:\`${stub}\` RETURN properties(n) AS all`,
    )) {
      const { id, type, active, _version: version, ...attributes } = plain(all as Row);
      const content = canonical({ id, type, active, attributes });
      found.set(placeOf({ kind: 'agent', key: String(id) }), { version: numberOf(version), content });
    }
    for (const { source, type, target, since, all } of await rowsOf(
      `MATCH (s:\`${label}\`)-[r]->(t:\`${label}\`)
       RETURN s.id AS source, type(r) AS type, t.id AS target, r.since.epochMillis AS since,
         properties(r) AS all`,
    )) {
      const { strength, since: _, migrated: __, _version: version, ...properties } = plain(all as Row);
      const identity = { source: String(source), type: String(type), target: String(target) };
      const content = canonical({ ...identity, strength, since: numberOf(since), properties });
      const key = keyOf('relationship', identity);
      found.set(placeOf({ kind: 'relationship', key }), { version: numberOf(version), content });
    }
    return found;
  };

  return {
    name: 'target.neo4j',
    kinds: ['agent', 'relationship'],
    states,
    async versions(kind, keys) {
      const rows =
        kind === 'agent'
          ? await rowsOf(
              `UNWIND $keys AS key
               OPTIONAL MATCH (n:\`${label}\` {id: key}) OPTIONAL MATCH (t:\`${buriedAgent}\` {id: key})
               RETURN n._version AS held, t.version AS buried`,
              { keys },
            )
          : await rowsOf(
              `UNWIND $ties AS tie
               OPTIONAL MATCH (:\`${label}\` {id: tie.source})-[r:KNOWS]->(:\`${label}\` {id: tie.target})
               OPTIONAL MATCH (t:\`${buriedTie}\` {key: tie.key})
               RETURN max(r._version) AS held, max(t.version) AS buried, tie.at AS at ORDER BY at`,
              { ties: keys.map(tieOf) },
            );
      return keys.map((_, at) => greater(numberOf(rows[at]?.held), numberOf(rows[at]?.buried)));
    },
    // The driver is the opener's.
    close: async () => {},
  };
}

function tieOf(key: string, at: number) {
  const [source = '', type = '', target = ''] = JSON.parse(key) as readonly string[];
  return { source, target, key: `${type} ${source.length} ${source}${target}`, at: neo4j.int(at) };
}

/** `type length-of-source source target`, as the follower writes it on its tombstones. */
function tieKeyOf(text: string): string {
  const [, type = '', length = '0'] = /^(\S+) (\d+) /.exec(text) ?? [];
  const rest = text.slice(type.length + length.length + 2);
  return keyOf('relationship', {
    type,
    source: rest.slice(0, Number(length)),
    target: rest.slice(Number(length)),
  });
}

function numberOf(value: unknown): number | null {
  if (neo4j.isInt(value)) return value.toNumber();
  return typeof value === 'number' ? value : null;
}

function plain(properties: Row): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, neo4j.isInt(value) ? value.toNumber() : value]),
  );
}
