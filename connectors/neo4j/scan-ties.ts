import type { Clock } from '../../core/clock.ts';
import { keyOf } from '../../schemas/keys.ts';
import { compareScanKeys, type ScanRange } from '../../schemas/scan-order.ts';
import type { RejectedItem, ScanChunk, ScanOptions, SourceRow } from '../connector.ts';
import { ahead } from './ahead.ts';
import { SETTLED_MS, tiesWithBadEnds } from './bad-ids.ts';
import type { Neo4jClient } from './client.ts';
import type { NodeNames } from './names.ts';
import { isText, type ReadTie, readTies } from './read-ties.ts';
import type { Ends, Reading } from './rows.ts';
import { isFromStart } from './scan-nodes.ts';
import type { Properties } from './values.ts';
import { inScanOrder, isSame, scanKeyOfTie, walkTies } from './walk-ties.ts';

export interface TieReader {
  readonly client: Neo4jClient;
  readonly clock: Clock;
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
    for await (const rejected of tiesWithBadEnds(reader, names.label, limit)) {
      yield { rows: [], rejected, last: [] };
    }
  }
  for await (const ties of ahead(walkTies(client, names.label, range, limit))) {
    signal?.throwIfAborted();
    yield await chunkOf(reader, ties);
  }
}

async function chunkOf(reader: TieReader, ties: readonly ReadTie[]): Promise<ScanChunk<'relationship'>> {
  const { client, clock } = reader;
  const rows: SourceRow<'relationship'>[] = [];
  const rejected: RejectedItem[] = [];
  const judge = (all: readonly ReadTie[], isFault: (tie: ReadTie, fault: string) => void): void => {
    for (const [index, tie] of all.entries()) {
      const { entity, fault } = readAmong(reader, tie, [all[index - 1], all[index + 1]]);
      if (fault === undefined) rows.push({ key: keyOf('relationship', tie), version: tie.version, entity });
      else isFault(tie, fault);
    }
  };
  const doubtful: string[] = [];
  judge(ties, ({ at }) => doubtful.push(at));
  if (doubtful.length > 0) {
    await clock.sleep(SETTLED_MS);
    const again = (await readTies(client, doubtful)).filter(
      ({ source, target }) => isText(source) && isText(target),
    );
    judge(inScanOrder(again), (tie, reason) => {
      rejected.push({ where: `relationship ${tie.at} (${keyOf('relationship', tie)})`, reason });
    });
    rows.sort((left, right) => compareScanKeys(scanKeyOfTie(left.entity), scanKeyOfTie(right.entity)));
  }
  const last = ties.at(-1);
  return { rows, rejected, last: last === undefined ? [] : scanKeyOfTie(last) };
}

/** A relationship beside its neighbours in the order: two of one key are none. */
function readAmong(
  reader: TieReader,
  tie: ReadTie,
  neighbours: readonly (ReadTie | undefined)[],
): Reading<'relationship'> {
  if (neighbours.some((other) => other !== undefined && isSame(other, tie))) {
    return { fault: 'several relationships of this type lead from the one agent to the other' };
  }
  return readTie(reader, tie);
}

export function readTie({ read }: TieReader, tie: ReadTie): Reading<'relationship'> {
  return tie.fault === undefined ? read(tie, tie.properties) : { fault: tie.fault };
}
