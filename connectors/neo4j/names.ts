import type { Role } from '../connector.ts';
import type { Neo4jOptions } from './options.ts';

/**
 * The labels of one kind of node. Everything that is ours follows from the configured label, so that two roles, or two
 * tests, in one database never meet.
 */
export interface NodeNames {
  readonly label: string;
  /**
   * Marks a node that is only there because a relationship needs an end: it has an id and nothing else. A label, not
   * merely the lack of properties, so that stubs are counted and found without a scan, and so that a legacy node
   * with nothing but an id is reported instead of overlooked.
   */
  readonly stub: string;
  readonly tombstone: string;
}

export interface Names {
  readonly agent: NodeNames;
  readonly memory: NodeNames;
  readonly relationshipTombstone: string;
}

export function namesOf(labels: Neo4jOptions['labels']): Names {
  const { agent, memory } = labels;
  return {
    agent: {
      label: agent,
      stub: `ChangeoverStub_${agent}`,
      tombstone: `ChangeoverAgentTombstone_${agent}`,
    },
    memory: {
      label: memory,
      stub: `ChangeoverStub_${memory}`,
      tombstone: `ChangeoverEmbeddingTombstone_${memory}`,
    },
    relationshipTombstone: `ChangeoverRelationshipTombstone_${agent}`,
  };
}

/** The label of the nodes that say which role a place belongs to: `(:ChangeoverMark {label, role, store})`. */
export const MARK_LABEL = 'ChangeoverMark';

/**
 * A property that no entity ever has. Removing it takes the node's write lock and changes nothing, provided that the
 * property's name is known to the database (schema.ts makes it known): a name that is not known is optimised away,
 * and the lock with it.
 */
export const LOCK_PROPERTY = '_lock';

/** A name as it stands in a query's text. Only allow-listed names come here; the doubling is a second bolt. */
export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** Who is asking, for messages. */
export interface Place {
  readonly store: string;
  readonly role: Role;
}
