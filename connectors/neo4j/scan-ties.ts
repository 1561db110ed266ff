import { keyOf } from '../../schemas/keys.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import type { RejectedItem, ScanChunk, ScanOptions, SourceRow } from '../connector.ts';
import { tiesWithBadEnds } from './bad-ids.ts';
import type { Neo4jClient } from './client.ts';
import type { NodeNames } from './names.ts';
import { type ReadTie, readTies } from './read-ties.ts';
import type { Ends, Reading } from './rows.ts';
import { isFromStart } from './scan-nodes.ts';
import type { Properties } from './values.ts';
import { type PlacedTie, scanKeyOfTie, walkTies } from './walk-ties.ts';

export interface TieReader {
  readonly client: Neo4jClient;
  readonly names: NodeNames;
  readonly read: (ends: Ends, properties: Properties) => Reading<'relationship'>;
}

export async function* scanTies(
  reader: TieReader,
  range: ScanRange,
  { limit, signal }: ScanOptions,
): AsyncGenerator<ScanChunk<'relationship'>> {
  const { client, names } = reader;
  if (isFromStart(range)) {
    for await (const rejected of tiesWithBadEnds(client, names.label, limit)) {
      yield { rows: [], rejected, last: [] };
    }
  }
  let group: PlacedTie[] = [];
  for await (const tie of walkTies(client, names.label, range, limit)) {
    const last = group.at(-1);
    if (group.length >= limit && last !== undefined && !isSame(last, tie)) {
      signal?.throwIfAborted();
      yield await chunkOf(reader, group);
      group = [];
    }
    group.push(tie);
  }
  if (group.length > 0) yield await chunkOf(reader, group);
}

async function chunkOf(reader: TieReader, group: readonly PlacedTie[]): Promise<ScanChunk<'relationship'>> {
  const rows: SourceRow<'relationship'>[] = [];
  const rejected: RejectedItem[] = [];
  const found = await readTies(
    reader.client,
    group.map(({ at }) => at),
  );
  for (const [index, tie] of group.entries()) {
    const [before, after] = [group[index - 1], group[index + 1]];
    const key = keyOf('relationship', tie);
    const where = `relationship ${tie.at} (${key})`;
    if ((before !== undefined && isSame(before, tie)) || (after !== undefined && isSame(after, tie))) {
      rejected.push({
        where,
        reason: 'several relationships of this type lead from the one agent to the other',
      });
      continue;
    }
    const read = found.get(tie.at);
    // It has gone since, or its place has been taken by another relationship.
    if (read === undefined || !isSame(read.ends, tie)) continue;
    const { entity, fault } = readTie(reader, read);
    if (fault === undefined) rows.push({ key, version: read.version, entity });
    else rejected.push({ where, reason: fault });
  }
  const last = group.at(-1);
  return { rows, rejected, last: last === undefined ? [] : scanKeyOfTie(last) };
}

export function readTie({ read }: TieReader, { ends, properties, fault }: ReadTie): Reading<'relationship'> {
  return fault === undefined ? read(ends, properties) : { fault };
}

export function isSame(left: Ends, right: Ends): boolean {
  return left.source === right.source && left.type === right.type && left.target === right.target;
}
