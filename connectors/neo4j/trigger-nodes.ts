import type { NodeKind } from './apply-nodes.ts';
import { type NodeNames, quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import {
  bytesText,
  entryText,
  idsText,
  isKeyText,
  nextVersionText,
  refuseFullText,
  refuseSizeText,
  refuseText,
} from './trigger-text.ts';
import { VERSION } from './values.ts';

/** The greatest number that is finite as a float32. */
const MOST = '3.4028235677973362e38';

/** What is different between the kinds that are nodes. */
interface NodePart {
  readonly kind: NodeKind;
  /** Lists in scope: nodes that were touched and are there; nodes that lost the label or were deleted. */
  readonly touched: string;
  readonly gone: string;
  /** The property without which a node is no entity yet: a memory may get its vector later. */
  readonly needs: string | undefined;
  /** Why an entity is refused, as the branches of a CASE. */
  readonly faults: string;
}

const AGENTS: NodePart = {
  kind: 'agent',
  touched: 'agents',
  gone: 'goneAgents',
  needs: undefined,
  faults: '',
};

const MEMORIES: NodePart = {
  kind: 'embedding',
  touched: 'memories',
  gone: 'goneMemories',
  needs: 'embedding',
  faults: `
    WHEN NOT (n.embedding IS :: LIST<FLOAT NOT NULL> NOT NULL OR n.embedding IS :: LIST<INTEGER NOT NULL> NOT NULL)
    THEN 'its property "embedding" is no list of numbers'
    WHEN NOT all(x IN n.embedding WHERE abs(x) <= ${MOST}) THEN 'a component of its vector is not finite'
    WHEN size(n.embedding) <> set.space.dimension
    THEN 'its vector has ' + size(n.embedding) + ' dimensions instead of ' + set.space.dimension
    ${[
      ['model', 'model'],
      ['revision', '_spaceRevision'],
      ['metric', '_spaceMetric'],
      ['normalised', '_spaceNormalised'],
    ]
      .map(
        ([field, property]) => `WHEN coalesce(n.${property}, set.unsaid.${field}) <> set.space.${field}
    THEN 'it is of another embedding space: ${field} ' + toString(coalesce(n.${property}, set.unsaid.${field}))
      + ' instead of ' + toString(set.space.${field})`,
      )
      .join('\n    ')}`,
};

export const agentsText = (names: NodeNames, outbox: OutboxNames): string => nodesText(names, outbox, AGENTS);
export const memoriesText = (names: NodeNames, outbox: OutboxNames): string =>
  nodesText(names, outbox, MEMORIES);

/** The part of the trigger's statement that captures nodes of one label; the transaction holds their locks already. */
function nodesText({ label, stub, tombstone }: NodeNames, outbox: OutboxNames, part: NodePart): string {
  const { kind, touched, gone, needs, faults } = part;
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
    WITH set, us, room, waiting, wasNode, leftVersions, newcomers, n, n.id AS key
    WHERE ${isKeyText('key')} AND ${needs === undefined ? `NOT (n:${quoted(stub)} AND size(keys(n)) = 1)` : `n.${needs} IS NOT NULL`}
    OPTIONAL MATCH (t:${grave} {id: key})
    WITH *, ${bytesText('n')} AS bytes, CASE ${faults} WHEN false THEN '' END AS fault,
      ${nextVersionText('[n[set.version], wasNode[toString(id(n))][set.version], leftVersions[key], t[set.plainVersion]]', '[us]')} AS version,
      CASE WHEN leftVersions[key] IS NULL AND (n:${quoted(stub)} OR newcomers[toString(id(n))] IS NOT NULL) THEN 'c' ELSE 'u' END AS op
    WHERE ${refuseFullText()} AND ${refuseSizeText(kind, 'key')}
      AND ${refuseText('fault IS NOT NULL', `${kind} %s: %s`, ['key', 'fault'])}
    SET n.${VERSION} = version
    REMOVE n:${quoted(stub)}
    ${entryText(outbox, { kind, key: 'key', op: 'op', isDelete: 'false', state: 'properties(n)' })}
  }
  RETURN true AS done LIMIT 1`;
}
