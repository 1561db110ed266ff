import type { NodeKind } from './apply-nodes.ts';
import { type NodeNames, quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import {
  bytesText,
  entryText,
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
export interface NodePart {
  readonly kind: NodeKind;
  /** Lists in scope: nodes that were touched and are there; nodes that lost the label or were deleted. */
  readonly touched: string;
  readonly gone: string;
  /** The property without which a node is no entity yet: a memory may get its vector later. */
  readonly needs: string | undefined;
  /** Why an entity is refused, as the branches of a CASE. */
  readonly faults: string;
}

export const AGENTS: NodePart = {
  kind: 'agent',
  touched: 'agents',
  gone: 'goneAgents',
  needs: undefined,
  faults: '',
};

export const MEMORIES: NodePart = {
  kind: 'embedding',
  touched: 'memories',
  gone: 'goneMemories',
  needs: 'embedding',
  faults: `
    WHEN NOT (state.embedding IS :: LIST<FLOAT NOT NULL> NOT NULL OR state.embedding IS :: LIST<INTEGER NOT NULL> NOT NULL)
    THEN 'its property "embedding" is no list of numbers'
    WHEN NOT all(x IN state.embedding WHERE abs(x) <= ${MOST}) THEN 'a component of its vector is not finite'
    WHEN size(state.embedding) <> set.space.dimension
    THEN 'its vector has ' + size(state.embedding) + ' dimensions instead of ' + set.space.dimension
    ${[
      ['model', 'model'],
      ['revision', '_spaceRevision'],
      ['metric', '_spaceMetric'],
      ['normalised', '_spaceNormalised'],
    ]
      .map(
        ([field, property]) => `WHEN coalesce(state.${property}, set.unsaid.${field}) <> set.space.${field}
    THEN 'it is of another embedding space: ${field} ' + toString(coalesce(state.${property}, set.unsaid.${field}))
      + ' instead of ' + toString(set.space.${field})`,
      )
      .join('\n    ')}`,
};

/** What one way to find the touched nodes knows of each of them, as expressions. */
interface TouchedText {
  /** A list: the versions that the key had before the transaction, beside its tombstone's and the node's own. */
  readonly oldVersions: string;
  /** There was no entity of this key before, though there may have been a stub. */
  readonly isNew: string;
  /** There was one, of another node, or of this one under another label. */
  readonly wasLeft: string;
  /** By which its properties are read: all at once is faster, and holds copies of all nodes' at one time. */
  readonly read: 'n' | 'properties(n)';
}

/**
 * Captures `n`, a touched node that is there and has the label: refuses it, or stamps it and writes its entry. The transaction
 * holds its lock already. Whatever else is `carried` has to be in scope, with `set`, `us`, `room` and `waiting`.
 */
export function captureNodeText(
  { stub, tombstone }: NodeNames,
  outbox: OutboxNames,
  { kind, needs, faults }: NodePart,
  carried: readonly string[],
  { oldVersions, isNew, wasLeft, read }: TouchedText,
): string {
  const isEntity =
    needs === undefined ? `NOT (n:${quoted(stub)} AND size(keys(n)) = 1)` : `n.${needs} IS NOT NULL`;
  return `
    WITH set, us, room, waiting, ${carried.join(', ')}, n, n.id AS key
    WHERE ${isKeyText('key')} AND ${isEntity}
    OPTIONAL MATCH (t:${quoted(tombstone)} {id: key})
    WITH *, ${read} AS state
    WITH *, ${bytesText('state')} AS bytes, CASE ${faults} WHEN false THEN '' END AS fault,
      ${nextVersionText(`[state[set.version], t[set.plainVersion]] + ${oldVersions}`, '[us]')} AS version,
      CASE WHEN ${wasLeft} THEN 'u' WHEN n:${quoted(stub)} OR ${isNew} THEN 'c' ELSE 'u' END AS op
    WHERE ${refuseFullText()} AND ${refuseSizeText(kind, 'key')}
      AND ${refuseText('fault IS NOT NULL', `${kind} %s: %s`, ['key', 'fault'])}
    SET n.${VERSION} = version
    REMOVE n:${quoted(stub)}
    ${entryText(outbox, { kind, key: 'key', op: 'op', isDelete: 'false', state: 'properties(n)' })}`;
}
