import { LOCK_PROPERTY, type Names, quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import {
  bytesText,
  entryText,
  idsText,
  isKeyText,
  nextVersionText,
  oldValuesText,
  refuseFullText,
  refuseSizeText,
} from './trigger-text.ts';
import { VERSION } from './values.ts';

/** The part of the trigger that finds the keys of the relationships that were written, sorted by source. */
export function tiesText({ agent }: Names): string {
  const label = quoted(agent.label);
  return `
  WITH tx, found, set, found.dead AS dead, found.wasNode AS wasNode, found.moved AS moved,
    ${idsText('tx.deletedRelationships')} AS deadTies, found.bornTies AS bornTies, found.movedIds AS movedIds,
    found.gainedIds AS gainedIds, ${idsText('found.goneAgents')} AS goneIds
  ${oldValuesText('wasTie', 'relationship')}
  CALL (tx, moved, deadTies) {
    CALL (tx, moved) {
      UNWIND tx.createdRelationships AS r RETURN r
      UNION ALL UNWIND keys(tx.assignedRelationshipProperties) AS k
      UNWIND tx.assignedRelationshipProperties[k] AS e RETURN e.relationship AS r
      UNION ALL UNWIND keys(tx.removedRelationshipProperties) AS k
      UNWIND tx.removedRelationshipProperties[k] AS e RETURN e.relationship AS r
      UNION ALL UNWIND moved AS n MATCH (n)-[r]-() RETURN r
    }
    WITH r WHERE deadTies[toString(id(r))] IS NULL
    // Never UNION or DISTINCT beside a map that was handed in: the server would compare it for each row.
    RETURN collect(DISTINCT r) AS liveTies
  }
  CALL (*) {
    UNWIND liveTies AS r
    WITH *, startNode(r) AS s, endNode(r) AS t
    WITH *, bornTies[toString(id(r))] IS NULL AND (movedIds[toString(id(s))] IS NOT NULL OR movedIds[toString(id(t))] IS NOT NULL) AS isMoved
    UNWIND CASE
      WHEN isMoved THEN [
        [s.id, t.id, s:${label} AND t:${label}, id(r), null],
        [${oldId('s')}, ${oldId('t')}, ${wasAgent('s', label)} AND ${wasAgent('t', label)}, null,
          apoc.map.merge(properties(r), coalesce(wasTie[toString(id(r))], {}))]]
      ELSE [[s.id, t.id, s:${label} AND t:${label}, id(r), null]] END AS row
    WITH row, type(r) AS type, isMoved WHERE row[2]
    RETURN row[0] AS source, type, row[1] AS target, row[3] AS touchedId, row[4] AS before, isMoved
    UNION ALL
    UNWIND tx.deletedRelationships AS r
    WITH *, startNode(r) AS s, endNode(r) AS t
    WITH * WHERE ${wasAgent('s', label)} AND ${wasAgent('t', label)}
    RETURN ${oldId('s')} AS source, type(r) AS type, ${oldId('t')} AS target, null AS touchedId,
      coalesce(wasTie[toString(id(r))], {}) AS before, false AS isMoved
  }
  WITH source, type, target, touchedId, before, isMoved
  WHERE ${isKeyText('source')} AND ${isKeyText('target')}
  WITH source, type, target, collect(touchedId) AS touched, collect(before) AS before, max(isMoved) AS isMoved
  ORDER BY source
  RETURN collect({source: source, type: type, target: target, touched: touched, before: before, isMoved: isMoved})
    AS ties`;
}

/**
 * The part that writes them. Returns `floor`: the greatest version that it gave to a delete, so that the delete of an agent
 * comes after those of its relationships.
 *
 * A lock that is waited for in here is dangerous: when it ends in a deadlock, the application gets an error that its driver does
 * not take for one that passes. So as few as possible are taken. Who changes a relationship has its lock. Who makes one
 * where there is none of its key needs no other. Only who deletes one, and who makes one beside another of its key,
 * which may be about to be deleted, have to meet: at the lock of the source (0014), in the order of the ids. What they meet
 * there for is read after it, under a name that is not in the text, so that the planner cannot read it before.
 *
 * Several relationships of one key are one, as new as the newest. Where one of them was deleted, no other is stamped (its
 * lock may be another's); the tombstone keeps the version. A tombstone is left where it is when its key comes
 * back: it is older, and the entity counts.
 */
export function writeTiesText(names: Names, outbox: OutboxNames): string {
  const label = quoted(names.agent.label);
  const tombstone = quoted(names.relationshipTombstone);
  return `
  UNWIND written.ties AS row
  WITH set, found.us AS us, found.room AS room, found.waiting AS waiting, found.bornTies AS bornTies,
    found.movedIds AS movedIds, row.source AS source, row.type AS type, row.target AS target, row.touched AS touched,
    row.before AS before, row.isMoved AS isMoved
  OPTIONAL MATCH (s:${label} {id: source})
  OPTIONAL MATCH (t:${label} {id: target})
  WITH *, size(before) > 0 OR isMoved OR any(i IN touched WHERE bornTies[toString(i)] IS NOT NULL)
    AND any(x IN ${tiesNow} WHERE bornTies[toString(id(x))] IS NULL) AS meets
  FOREACH (n IN CASE WHEN meets AND s IS NOT NULL THEN [s] ELSE [] END | REMOVE n.${LOCK_PROPERTY})
  WITH *
  WITH *, ${tiesNow} AS ties,
    type + ' ' + (apoc.text.byteCount(source, 'UTF-16BE') / 2) + ' ' + source + target AS key
  WITH *, size(ties) = 0 AS isGone WHERE size(ties) + size(before) > 0
  OPTIONAL MATCH (b:${tombstone} {key: key})
  WITH *, coalesce([x IN ties WHERE id(x) IN touched][-1], ties[-1]) AS chosen,
    ${nextVersionText('[x IN ties | x[set.version]] + [w IN before | w[set.version]] + [b[set.plainVersion]]', '[us]')} AS version,
    CASE
      WHEN size(before) > 0 THEN 'u'
      WHEN all(x IN ties WHERE bornTies[toString(id(x))] IS NOT NULL OR movedIds[toString(id(startNode(x)))] IS NOT NULL OR movedIds[toString(id(endNode(x)))] IS NOT NULL)
      THEN 'c' ELSE 'u' END AS op
  WITH *, CASE WHEN isGone THEN 0 ELSE ${bytesText('chosen')} END AS bytes
  WITH * WHERE ${refuseFullText()} AND ${refuseSizeText('relationship', 'key')}
  FOREACH (x IN [x IN ties WHERE id(x) IN touched] | SET x.${VERSION} = version)
  FOREACH (_ IN CASE WHEN isGone OR touched = [] THEN [1] ELSE [] END |
    MERGE (m:${tombstone} {key: key}) SET m.version = version, m.source = source, m.type = type, m.target = target)
  ${entryText(outbox, {
    kind: 'relationship',
    key: 'key',
    op: "CASE WHEN isGone THEN 'd' ELSE op END",
    isDelete: 'isGone',
    state: 'CASE WHEN isGone THEN before[0] ELSE properties(chosen) END',
    ends: { source: 'source', type: 'type', target: 'target' },
  })}
  WITH CASE WHEN isGone THEN version ELSE 0 END AS version
  RETURN coalesce(max(version), 0) AS floor`;
}

/** Of a node that may be gone: the planner must not read a property of it, so the name is a parameter. */
const oldId = (node: string): string =>
  `coalesce(wasNode[toString(id(${node}))].id, CASE WHEN dead[toString(id(${node}))] IS NOT NULL THEN null ELSE ${node}[set.id] END)`;

const wasAgent = (node: string, label: string): string =>
  `CASE WHEN goneIds[toString(id(${node}))] IS NOT NULL THEN true WHEN dead[toString(id(${node}))] IS NOT NULL THEN false
    ELSE ${node}:${label} AND gainedIds[toString(id(${node}))] IS NULL END`;

/** The relationships of a key, as they are now. */
const tiesNow = 'CASE WHEN s IS NULL OR t IS NULL THEN [] ELSE [(s)-[x]->(t) WHERE type(x) = type | x] END';
