import { type NodeNames, quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import { AGENTS, captureNodeText, MEMORIES, type NodePart } from './trigger-entity.ts';
import { entryText, idsText, isKeyText, nextVersionText, refuseFullText } from './trigger-text.ts';

export const agentsText = (names: NodeNames, outbox: OutboxNames): string => nodesText(names, outbox, AGENTS);
export const memoriesText = (names: NodeNames, outbox: OutboxNames): string =>
  nodesText(names, outbox, MEMORIES);

/** The part of the trigger's statement that captures nodes of one label; the transaction holds their locks already. */
function nodesText(names: NodeNames, outbox: OutboxNames, part: NodePart): string {
  const { label, stub, tombstone } = names;
  const { kind, touched, gone, needs } = part;
  const [node, grave] = [quoted(label), quoted(tombstone)];
  const isEntity = (map: string) => (needs === undefined ? 'true' : `${map}['${needs}'] IS NOT NULL`);
  const old = 'coalesce(wasNode[toString(id(n))], {})';
  const lostNeed = `[e IN coalesce(tx.removedNodeProperties['${needs}'], []) WHERE dead[toString(id(e.node))] IS NULL | e.node]`;
  // Nodes that have become entities: by a label (joined), an id, or what they need.
  const newcomers = `coalesce(tx.assignedNodeProperties['id'], [])${
    needs === undefined
      ? ''
      : ` + [e IN coalesce(tx.assignedNodeProperties['${needs}'], []) WHERE e.old IS NULL]`
  }`;
  return `
  WITH tx, set, floor, found.us AS us, found.room AS room, found.waiting AS waiting, found.dead AS dead,
    found.wasNode AS wasNode, found.oldIds AS oldIds, found.${touched} AS ${touched}, found.${gone} AS ${gone},
    ${idsText(`coalesce(tx.assignedLabels['${label}'], [])`)} AS joined,
    ${idsText(`coalesce(tx.removedLabels['${stub}'], [])`)} AS stubs
  CALL (*) {
    CALL (*) {
      UNWIND ${gone} AS n
      WITH *, ${old} AS was
      WITH *, CASE WHEN dead[toString(id(n))] IS NOT NULL THEN was ELSE apoc.map.merge(properties(n), was) END AS before
      WITH before, stubs[toString(id(n))] IS NOT NULL AND size(keys(before)) = 1 AS isStub WHERE NOT isStub
      RETURN before
      UNION ALL
      UNWIND [e IN oldIds WHERE dead[toString(id(e.node))] IS NULL | e.node]${needs === undefined ? '' : ` + ${lostNeed}`} AS other
      WITH wasNode, joined, collect(DISTINCT other) AS others
      UNWIND others AS n
      WITH *, ${old} AS was WHERE n:${node} AND joined[toString(id(n))] IS NULL
      RETURN apoc.map.merge(properties(n), was) AS before
    }
    WITH before.id AS key, before WHERE ${isKeyText('key')} AND ${isEntity('before')}
    WITH key, collect(before)[0] AS before
    RETURN collect({key: key, before: before}) AS left
  }
  WITH *, apoc.map.fromPairs([each IN left | [each.key, coalesce(each.before[set.version], 0)]]) AS leftVersions
  CALL (*) {
    UNWIND left AS each
    WITH set, us, floor, room, waiting, each.key AS key, each.before AS before
    WHERE NOT EXISTS { MATCH (x:${node} {id: key})${needs === undefined ? '' : ` WHERE x.${needs} IS NOT NULL`} }
      AND ${refuseFullText()}
    MERGE (t:${grave} {id: key})
    WITH *, ${nextVersionText('[before[set.version], t[set.plainVersion]]', '[us, floor]')} AS version
    SET t.version = version
    ${entryText(outbox, { kind, key: 'key', op: "'d'", isDelete: 'true', state: 'before' })}
  }
  CALL (*) {
    WITH *, apoc.map.merge(joined, ${idsText(newcomers, 'x.node')}) AS newcomers
    UNWIND ${touched} AS n
    ${captureNodeText(names, outbox, part, ['wasNode', 'leftVersions', 'newcomers'], {
      oldVersions: '[wasNode[toString(id(n))][set.version], leftVersions[key]]',
      isNew: 'newcomers[toString(id(n))] IS NOT NULL',
      wasLeft: 'leftVersions[key] IS NOT NULL',
      read: 'n',
    })}
  }
  RETURN true AS done LIMIT 1`;
}
