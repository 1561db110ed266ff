import type { Kind } from '../../schemas/kinds.ts';
import type { Neo4jOptions } from './options.ts';

/** The labels of what capture keeps in the graph; all follow from the agents' label, as the others do (names.ts). */
export interface OutboxNames {
  /** One node per captured write that the log has not confirmed. */
  readonly outbox: string;
  /** Those that the log can never take, with the reason. */
  readonly aside: string;
  /** `{label, token, until}`: who drains the outbox. */
  readonly relay: string;
  /** `{label, since}`: from when on writes went uncaptured. */
  readonly lost: string;
  /** `{id, version, at}`: the event ids that were seen, and what came of them. */
  readonly event: string;
  /** A node that is written to see whether the trigger answers. */
  readonly canary: string;
}

export function outboxNamesOf({ agent }: Neo4jOptions['labels']): OutboxNames {
  return {
    outbox: `ChangeoverOutbox_${agent}`,
    aside: `ChangeoverOutboxAside_${agent}`,
    relay: `ChangeoverRelay_${agent}`,
    lost: `ChangeoverLost_${agent}`,
    event: `ChangeoverEvent_${agent}`,
    canary: `ChangeoverCanary_${agent}`,
  };
}

/**
 * An outbox node holds a copy of the entity's own properties, in the types that the store has for them (so that the
 * readers of the store read it), and beside them these. They win over properties of the same name.
 */
export const BOOK = {
  id: '_outbox_id',
  /** The event id that the writer gave, where it gave one; otherwise the entry's id is the event's. */
  event: '_outbox_event',
  kind: '_outbox_kind',
  /** By which entries of one entity are found: the id, or a relationship's tombstone key (rows.ts). */
  key: '_outbox_key',
  source: '_outbox_source',
  type: '_outbox_type',
  target: '_outbox_target',
  op: '_outbox_op',
  version: '_outbox_version',
  rank: '_outbox_rank',
  /** `version * 4 + rank`: one index gives the order. */
  order: '_outbox_order',
  /** When it was captured, in µs since 1970. */
  at: '_outbox_at',
  path: '_outbox_path',
  writer: '_outbox_writer',
  reason: '_outbox_reason',
} as const;

const BOOK_PROPERTIES: ReadonlySet<string> = new Set(Object.values(BOOK));

export const isBookkeeping = (property: string): boolean => BOOK_PROPERTIES.has(property);

export const RANKS = 4;

/**
 * The order of entries that have one version, as those of one transaction may: an agent's relationships are deleted before
 * it and made after it.
 */
export function rankOf(kind: Kind, isDelete: boolean): number {
  if (isDelete) return kind === 'relationship' ? 0 : 1;
  return kind === 'relationship' ? 3 : 2;
}
