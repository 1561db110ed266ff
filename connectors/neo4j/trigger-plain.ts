import { type Names, type NodeNames, quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import { AGENTS, captureNodeText, MEMORIES, type NodePart } from './trigger-entity.ts';
import { nowText, waitingText } from './trigger-text.ts';
import { VERSION } from './values.ts';

/**
 * Longer lists go the general way, which asks maps: here lists are walked for each node, which is faster while they are
 * short.
 */
const FEW = 50;

/**
 * Whether a transaction does nothing but make nodes of one of our labels, or change some that had it: no more is known to be
 * needed then than what it did to each node by itself. It reads as a condition on what APOC tells of the transaction. What
 * is not sure to be plain is not: the general way captures everything.
 */
export function isPlainText({ agent, memory }: Names): string {
  const ours = [agent.label, memory.label];
  const isShort = (lists: string) =>
    `size(keys(${lists})) <= ${FEW} AND all(k IN keys(${lists}) WHERE size(${lists}[k]) <= ${FEW})`;
  return [
    'size($deletedNodes) = 0',
    'size($createdRelationships) = 0',
    'size($deletedRelationships) = 0',
    'size(keys($assignedRelationshipProperties)) = 0',
    'size(keys($removedRelationshipProperties)) = 0',
    ...ours.map((label) => `$removedLabels['${label}'] IS NULL`),
    // A key that changes is the delete of another; a node that gets one brings its relationships along.
    ...['id', MEMORIES.needs].map((property) => `$removedNodeProperties['${property}'] IS NULL`),
    `size($createdNodes) <= ${FEW}`,
    isShort('$assignedNodeProperties'),
    isShort('$removedNodeProperties'),
    `all(e IN coalesce($assignedNodeProperties['id'], []) WHERE e.old IS NULL AND e.node IN $createdNodes)`,
    ...ours.map((label) => `all(n IN coalesce($assignedLabels['${label}'], []) WHERE n IN $createdNodes)`),
  ].join('\n      AND ');
}

export const plainAgentsText = (names: Names, outbox: OutboxNames): string =>
  plainText(names.agent, outbox, AGENTS);
export const plainMemoriesText = (names: Names, outbox: OutboxNames): string =>
  plainText(names.memory, outbox, MEMORIES);

/** The part that captures the nodes of one label in a plain transaction: all that is done to it, in one statement. */
function plainText(names: NodeNames, outbox: OutboxNames, part: NodePart): string {
  const node = quoted(names.label);
  const { needs } = part;
  const touchedBy = (lists: string) =>
    `reduce(all = [], k IN keys(${lists}) | all + [e IN ${lists}[k] WHERE e.node:${node} | e.node])`;
  const oldOf = (lists: string) => `[e IN coalesce(${lists}['${VERSION}'], []) WHERE e.node = n | e.old]`;
  const gets =
    needs === undefined
      ? ''
      : ` OR any(e IN coalesce(tx.assignedNodeProperties['${needs}'], []) WHERE e.node = n AND e.old IS NULL)`;
  return `
  WITH *, ${waitingText(outbox)} AS waiting, datetime.realtime() AS now
  WITH tx, set, waiting, waiting < set.maxEntries AS room, ${nowText('now')} AS us,
    coalesce(tx.assignedLabels['${names.label}'], []) AS born
  UNWIND apoc.coll.toSet(born + ${touchedBy('tx.assignedNodeProperties')}
    + ${touchedBy('tx.removedNodeProperties')}) AS n
  ${captureNodeText(names, outbox, part, ['tx', 'born'], {
    oldVersions: `${oldOf('tx.assignedNodeProperties')} + ${oldOf('tx.removedNodeProperties')}`,
    isNew: `n IN born${gets}`,
    wasLeft: 'false',
    read: 'properties(n)',
  })}
  RETURN count(*) AS done`;
}
