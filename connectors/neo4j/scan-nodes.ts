import type { Clock } from '../../core/clock.ts';
import { groupBy } from '../../core/sequence.ts';
import { compareCodePoints } from '../../core/text.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import type { RejectedItem, ScanChunk, ScanOptions, SourceRow } from '../connector.ts';
import { ahead } from './ahead.ts';
import type { NodeKind } from './apply-nodes.ts';
import { nodesWithBadIds, SETTLED_MS } from './bad-ids.ts';
import type { Neo4jClient } from './client.ts';
import type { NodeNames } from './names.ts';
import { type ReadNode, readNodes } from './read-nodes.ts';
import type { Reading } from './rows.ts';
import type { Properties } from './values.ts';
import { type Placed, walkIds } from './walk-ids.ts';

export interface NodeReader<K extends NodeKind> {
  readonly client: Neo4jClient;
  readonly clock: Clock;
  readonly names: NodeNames;
  /** Looks at what the whole label has in common, which may have changed since the last scan. */
  readonly refresh: (when: 'always' | 'if unknown') => Promise<void>;
  readonly read: (properties: Properties) => Reading<K>;
}

/** Whether a scan of this range begins at the very start: what has no place in the order is reported there. */
export function isFromStart(range: ScanRange): boolean {
  return range.after === null || range.after.length === 0;
}

export async function* scanNodes<K extends NodeKind>(
  reader: NodeReader<K>,
  range: ScanRange,
  { limit, signal }: ScanOptions,
): AsyncGenerator<ScanChunk<K>> {
  const { client, names } = reader;
  await reader.refresh('always');
  if (isFromStart(range)) {
    for await (const rejected of nodesWithBadIds(reader, names.label, limit)) {
      yield { rows: [], rejected, last: [] };
    }
  }
  const pages = walkIds(client, names.label, {
    after: String(range.after?.[0] ?? ''),
    inclusive: false,
    until: range.until === null ? null : String(range.until[0] ?? ''),
    limit,
  });
  for await (const page of ahead(pages)) {
    signal?.throwIfAborted();
    yield await chunkOf(reader, page);
  }
}

async function chunkOf<K extends NodeKind>(
  reader: NodeReader<K>,
  page: readonly Placed[],
): Promise<ScanChunk<K>> {
  const { client, names, clock } = reader;
  const rows: SourceRow<K>[] = [];
  const rejected: RejectedItem[] = [];
  const single: Placed[] = [];
  for (const [first, ...others] of groupBy(page, ({ id }) => id).values()) {
    if (first === undefined) continue;
    if (others.length === 0) single.push(first);
    else rejected.push({ where: whereIs(first, names), reason: `${others.length + 1} nodes have this id` });
  }
  const read = async (placed: readonly Placed[], isFault: (at: Placed, fault: string) => void) => {
    const nodes = new Map((await readNodes(client, names, { placed })).map((node) => [node.at, node]));
    for (const at of placed) {
      const node = nodes.get(at.at);
      // It has gone since, or its place has been taken by another node.
      if (node === undefined || node.stub || node.properties.id !== at.id) continue;
      const { entity, fault } = readNode(reader, node);
      if (fault === undefined) rows.push({ key: at.id, version: node.version, entity });
      else isFault(at, fault);
    }
  };
  const doubtful: Placed[] = [];
  await read(single, (at) => doubtful.push(at));
  if (doubtful.length > 0) {
    await clock.sleep(SETTLED_MS);
    await read(doubtful, (at, reason) => rejected.push({ where: whereIs(at, names), reason }));
    rows.sort((left, right) => compareCodePoints(left.key, right.key));
  }
  return { rows, rejected, last: [page.at(-1)?.id ?? ''] };
}

function whereIs({ at, id }: Placed, { label }: NodeNames): string {
  return `node ${at} (:${label} {id: ${JSON.stringify(id)}})`;
}

export function readNode<K extends NodeKind>({ read }: NodeReader<K>, node: ReadNode): Reading<K> {
  return node.fault === undefined ? read(node.properties) : { fault: node.fault };
}
