import type { Kind } from '../../schemas/kinds.ts';
import { type Names, quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import { agentsText, memoriesText } from './trigger-nodes.ts';
import { isPlainText, plainAgentsText, plainMemoriesText } from './trigger-plain.ts';
import { idsText, nowText, oldValuesText, waitingText } from './trigger-text.ts';
import { tiesText, writeTiesText } from './trigger-ties.ts';

/**
 * What APOC runs in every transaction, before it is committed, with what the transaction did in parameters
 * ($assignedLabels, $removedNodeProperties …). It stamps versions and writes the outbox; what it throws fails the
 * application's commit.
 *
 * It works by keys, not by nodes: a key is written when it had an entity before or has one now. So what was deleted and made
 * again in one transaction is an update, and a changed id is the delete of one key and the creation of another. Deleted
 * nodes and relationships cannot be read any more; what they were is in the removed properties.
 *
 * The server plans a statement anew for each magnitude of the lists among its parameters, and long ones take long to plan.
 * So this one is short, and calls the others (`$parts`) with the same things inside maps, whose size is of no matter.
 *
 * The usual transaction is small and writes nodes of one label only. It goes a short way, through one part (trigger-plain.ts)
 * instead of two or more; the canary goes both, so that all parts are planned and tried.
 */
export function triggerStatement(names: Names, outbox: OutboxNames, kinds: readonly Kind[]): string {
  const isGraph = kinds.includes('agent') || kinds.includes('relationship');
  const touchesAgents = isGraph ? touchesText(names.agent.label) : 'false';
  const touchesMemories = kinds.includes('embedding') ? touchesText(names.memory.label) : 'false';
  const touchesTies = kinds.includes('relationship')
    ? `size($createdRelationships) + size($deletedRelationships) + size(keys($assignedRelationshipProperties))
      + size(keys($removedRelationshipProperties)) > 0`
    : 'false';
  const plain = (kind: Kind, part: TriggerPart) => (kinds.includes(kind) ? `[$parts.${part}]` : '[]');
  // The usual transaction of somebody else ends at the second condition, so it costs them next to nothing.
  return `
WITH $metaData AS metaData WHERE NOT coalesce(metaData['changeover'], '') IN ['follower', 'writer']
WITH CASE WHEN size($deletedNodes) = 0 THEN {} ELSE ${idsText('$deletedNodes')} END AS dead
WITH ${touchesAgents} AS isAgents, ${touchesMemories} AS isMemories, ${touchesTies} AS isTies,
  $assignedLabels['${outbox.canary}'] IS NOT NULL AS isCanary
WHERE isAgents OR isMemories OR isTies OR isCanary
WITH isCanary, CASE
    WHEN isCanary THEN [$parts.plainAgents, $parts.plainMemories]
    WHEN isAgents <> isMemories AND ${isPlainText(names)}
    THEN CASE WHEN isAgents THEN ${plain('agent', 'plainAgents')} ELSE ${plain('embedding', 'plainMemories')} END
  END AS plain,
  {createdNodes: $createdNodes, deletedNodes: $deletedNodes, assignedLabels: $assignedLabels,
  removedLabels: $removedLabels, assignedNodeProperties: $assignedNodeProperties,
  removedNodeProperties: $removedNodeProperties, createdRelationships: $createdRelationships,
  deletedRelationships: $deletedRelationships, assignedRelationshipProperties: $assignedRelationshipProperties,
  removedRelationshipProperties: $removedRelationshipProperties} AS tx
CALL (tx, plain) {
  UNWIND plain AS part
  CALL apoc.cypher.doIt(part, {tx: tx, set: $set}) YIELD value
  RETURN count(*) AS done
}
WITH tx WHERE plain IS NULL OR isCanary
CALL apoc.cypher.doIt($parts.find, {tx: tx, set: $set}) YIELD value AS found
CALL (tx, found) {
  WITH tx, found WHERE found.hasTies
  CALL apoc.cypher.doIt($parts.ties, {tx: tx, set: $set, found: found}) YIELD value AS written
  WITH found, written WHERE size(written.ties) > 0 OR found.isCanary
  CALL apoc.cypher.doIt($parts.writeTies, {set: $set, found: found, written: written}) YIELD value AS done
  RETURN coalesce(max(done.floor), 0) AS floor
}
UNWIND CASE WHEN found.hasAgents THEN [$parts.agents] ELSE [] END
  + CASE WHEN found.hasMemories THEN [$parts.memories] ELSE [] END AS part
CALL apoc.cypher.doIt(part, {tx: tx, set: $set, found: found, floor: floor}) YIELD value
RETURN count(*)`;
}

/** Whether nodes of a label were made, changed or deleted, or got or lost it. What is deleted (`dead`) cannot be asked. */
function touchesText(label: string): string {
  const has = `e.node:${quoted(label)}`;
  return `($assignedLabels['${label}'] IS NOT NULL OR $removedLabels['${label}'] IS NOT NULL
    OR any(k IN keys($assignedNodeProperties) WHERE any(e IN $assignedNodeProperties[k] WHERE ${has}))
    OR any(k IN keys($removedNodeProperties) WHERE any(e IN $removedNodeProperties[k]
      WHERE CASE WHEN dead[toString(id(e.node))] IS NOT NULL THEN false ELSE ${has} END)))`;
}

export type TriggerPart =
  | 'plainAgents'
  | 'plainMemories'
  | 'find'
  | 'ties'
  | 'writeTies'
  | 'agents'
  | 'memories';

/** The kinds are those of which this store is the origin: what it holds of others is in no log. */
export function triggerParts(
  names: Names,
  outbox: OutboxNames,
  kinds: readonly Kind[],
): Readonly<Record<TriggerPart, string>> {
  return {
    plainAgents: plainAgentsText(names, outbox),
    plainMemories: plainMemoriesText(names, outbox),
    find: findText(names, outbox, kinds),
    ties: tiesText(names),
    writeTies: writeTiesText(names, outbox),
    agents: agentsText(names.agent, outbox),
    memories: memoriesText(names.memory, outbox),
  };
}

/**
 * What of the transaction concerns us: no row, where nothing does. For the canary all parts run, though they find nothing: so
 * the server has planned them, and has taken every one of them, before an application's transaction needs them.
 */
function findText(names: Names, outbox: OutboxNames, kinds: readonly Kind[]): string {
  const [agent, memory] = [names.agent.label, names.memory.label];
  const captured = (kind: Kind, condition: string): string =>
    kinds.includes(kind) ? `isCanary OR ${condition}` : 'false';
  return `
WITH tx, set, ${idsText('tx.deletedNodes')} AS dead, coalesce(tx.assignedLabels['${agent}'], []) AS gained
FOREACH (n IN coalesce(tx.assignedLabels['${outbox.canary}'], []) | SET n.answer = set.installation)
WITH *, tx.assignedLabels['${outbox.canary}'] IS NOT NULL AS isCanary
CALL (tx, dead) {
  CALL (tx) {
    UNWIND coalesce(tx.assignedLabels['${agent}'], []) + coalesce(tx.assignedLabels['${memory}'], []) AS n RETURN n
    UNION ALL UNWIND keys(tx.assignedNodeProperties) AS k UNWIND tx.assignedNodeProperties[k] AS e RETURN e.node AS n
    UNION ALL UNWIND keys(tx.removedNodeProperties) AS k UNWIND tx.removedNodeProperties[k] AS e RETURN e.node AS n
  }
  WITH n WHERE dead[toString(id(n))] IS NULL
  WITH collect(DISTINCT n) AS all
  RETURN [n IN all WHERE n:${quoted(agent)}] AS agents, [n IN all WHERE n:${quoted(memory)}] AS memories
}
WITH *, coalesce(tx.removedLabels['${agent}'], []) AS goneAgents,
  coalesce(tx.removedLabels['${memory}'], []) AS goneMemories,
  size(tx.createdRelationships) + size(tx.deletedRelationships) + size(keys(tx.assignedRelationshipProperties))
    + size(keys(tx.removedRelationshipProperties)) > 0 AS hasTies
WHERE hasTies OR isCanary OR size(agents) + size(memories) + size(goneAgents) + size(goneMemories) > 0
WITH *, ${waitingText(outbox)} AS waiting, datetime.realtime() AS now, ${idsText('tx.createdNodes')} AS born,
  [e IN coalesce(tx.assignedNodeProperties['id'], []) WHERE e.old IS NOT NULL]
    + coalesce(tx.removedNodeProperties['id'], []) AS oldIds
WITH *, [n IN gained WHERE born[toString(id(n))] IS NULL] + [n IN goneAgents WHERE dead[toString(id(n))] IS NULL]
  + [e IN oldIds WHERE dead[toString(id(e.node))] IS NULL AND e.node:${quoted(agent)} | e.node]
  + [e IN coalesce(tx.assignedNodeProperties['id'], [])
     WHERE e.old IS NULL AND born[toString(id(e.node))] IS NULL AND e.node:${quoted(agent)} | e.node] AS moved
${oldValuesText('wasNode', 'node')}
RETURN agents, memories, goneAgents, goneMemories, dead, moved, oldIds, wasNode, waiting,
  ${idsText('gained')} AS gainedIds, ${idsText('moved')} AS movedIds,
  ${idsText('tx.createdRelationships')} AS bornTies, waiting < set.maxEntries AS room,
  ${nowText('now')} AS us,
  isCanary, ${captured('relationship', 'hasTies OR size(moved) > 0')} AS hasTies,
  ${captured('agent', 'size(agents) + size(goneAgents) > 0')} AS hasAgents,
  ${captured('embedding', 'size(memories) + size(goneMemories) > 0')} AS hasMemories`;
}
