import type { Change } from '../../schemas/change.ts';
import { changeFault } from '../../schemas/change-fault.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { EntityWrite, OutboxEntry, UnreadableEntry } from '../capture.ts';
import { changeOf, sizeFault } from '../write-fault.ts';
import { BOOK, isBookkeeping } from './outbox-names.ts';
import { hiddenFault } from './read-nodes.ts';
import {
  type Ends,
  type GraphKind,
  type Reading,
  readAgent,
  readEmbedding,
  readRelationship,
} from './rows.ts';
import type { StoreScope } from './scope.ts';
import { type Properties, readScalar, readVersion } from './values.ts';

export type OutboxScope = Pick<StoreScope, 'options'> & {
  readonly store: string;
  readonly maxChangeBytes: number;
};

/** An outbox node as it was read. */
export interface OutboxRow {
  /** Leads to the node without an index. */
  readonly elementId: string;
  readonly properties: Properties;
  /** Whether it has a property that the driver drops (read-nodes.ts). */
  readonly hidden: boolean;
}

export type ReadEntry =
  | { readonly entry: OutboxEntry; readonly unreadable?: undefined }
  | { readonly entry?: undefined; readonly unreadable: UnreadableEntry };

/** What an outbox node is called, and of which entity it is. */
export function entryName(properties: Properties): {
  readonly id: string;
  readonly kind: GraphKind;
  readonly key: string;
  readonly ends: Ends;
} {
  const kind = textOf(properties, BOOK.kind) as GraphKind;
  const ends: Ends = {
    source: textOf(properties, BOOK.source),
    type: textOf(properties, BOOK.type),
    target: textOf(properties, BOOK.target),
  };
  const key = kind === 'relationship' ? keyOf(kind, ends) : textOf(properties, BOOK.key);
  return { id: textOf(properties, BOOK.id), kind, key, ends };
}

/** Makes a change of an outbox node, read as the store itself is read. */
export function readEntry(row: OutboxRow, scope: OutboxScope): ReadEntry {
  const { properties } = row;
  const { id, kind, key, ends } = entryName(properties);
  const unreadable = (reason: string): ReadEntry => ({
    unreadable: { id, where: `${kind} ${key} in the outbox of ${scope.store} (${BOOK.id} ${id})`, reason },
  });

  const isDelete = properties[BOOK.op] === 'd';
  const reading = readState(row, kind, ends, scope);
  if (!isDelete && reading.fault !== undefined) return unreadable(reading.fault);
  const state = reading.entity ?? null;
  const change = changeOf({ kind, key, entity: isDelete ? null : state } as EntityWrite, {
    version: readVersion(properties[BOOK.version]) ?? 0,
    // What is no entity has not been one before either, to whoever follows.
    before: (isDelete ? state : null) as Change['before'],
    created: properties[BOOK.op] === 'c',
    origin: {
      path: properties[BOOK.path] === 'ingest' ? 'ingest' : 'shim',
      store: scope.store,
      writer: textOf(properties, BOOK.writer),
    },
    eventId: textOf(properties, BOOK.event) || id,
    capturedAt: Number(readScalar(properties[BOOK.at]) ?? 0),
  });
  const fault = changeFault(change) ?? sizeFault(change, scope.maxChangeBytes);
  if (fault === undefined) return { entry: { id, change } };
  // That it is gone is worth more than what it was.
  const bare: Change = { ...change, before: null };
  const without =
    change.before === null ? fault : (changeFault(bare) ?? sizeFault(bare, scope.maxChangeBytes));
  return without === undefined ? { entry: { id, change: bare } } : unreadable(fault);
}

function readState(
  { properties, hidden }: OutboxRow,
  kind: GraphKind,
  ends: Ends,
  { options }: OutboxScope,
): Reading<GraphKind> {
  const fault = hiddenFault(hidden);
  if (fault !== undefined) return { fault };
  const own: Properties = Object.fromEntries(
    Object.entries(properties).filter(([property]) => !isBookkeeping(property)),
  );
  switch (kind) {
    case 'agent':
      return readAgent(own, options);
    case 'embedding':
      return readEmbedding(own, options);
    case 'relationship':
      return readRelationship(ends, own, options);
    default:
      kind satisfies never;
      return { fault: `its kind is ${JSON.stringify(kind)}` };
  }
}

function textOf(properties: Properties, property: string): string {
  const value = properties[property];
  return typeof value === 'string' ? value : '';
}
