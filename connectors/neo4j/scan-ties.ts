import { keyOf } from '../../schemas/keys.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import type { RejectedItem, ScanChunk, ScanOptions, SourceRow } from '../connector.ts';
import { ahead } from './ahead.ts';
import { tiesWithBadEnds } from './bad-ids.ts';
import type { Neo4jClient } from './client.ts';
import type { NodeNames } from './names.ts';
import type { ReadTie } from './read-ties.ts';
import type { Ends, Reading } from './rows.ts';
import { isFromStart } from './scan-nodes.ts';
import type { Properties } from './values.ts';
import { isSame, scanKeyOfTie, walkTies } from './walk-ties.ts';

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
  for await (const ties of ahead(walkTies(client, names.label, range, limit))) {
    signal?.throwIfAborted();
    yield chunkOf(reader, ties);
  }
}

function chunkOf(reader: TieReader, ties: readonly ReadTie[]): ScanChunk<'relationship'> {
  const rows: SourceRow<'relationship'>[] = [];
  const rejected: RejectedItem[] = [];
  for (const [index, tie] of ties.entries()) {
    const neighbours = [ties[index - 1], ties[index + 1]];
    const key = keyOf('relationship', tie);
    const where = `relationship ${tie.at} (${key})`;
    if (neighbours.some((other) => other !== undefined && isSame(other, tie))) {
      rejected.push({
        where,
        reason: 'several relationships of this type lead from the one agent to the other',
      });
      continue;
    }
    const { entity, fault } = readTie(reader, tie);
    if (fault === undefined) rows.push({ key, version: tie.version, entity });
    else rejected.push({ where, reason: fault });
  }
  const last = ties.at(-1);
  return { rows, rejected, last: last === undefined ? [] : scanKeyOfTie(last) };
}

export function readTie({ read }: TieReader, tie: ReadTie): Reading<'relationship'> {
  return tie.fault === undefined ? read(tie, tie.properties) : { fault: tie.fault };
}
