import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Kind } from '../../schemas/kinds.ts';
import type { KafkaAddress } from '../../stack/addresses.ts';
import { markdownTable, whole } from '../measure.ts';
import { embeddingChanges } from './milvus-content.ts';
import type { SinkBenchOptions } from './options.ts';
import { agentChange, fillLog } from './postgres-content.ts';

const PREFIX = 'bench-consume';
const ONE = fileURLToPath(new URL('consume-one.ts', import.meta.url));
const ROUNDS = 3;

interface Reading {
  readonly perSecond: number;
  readonly cpuSeconds: number;
  readonly megabytes: number;
}

/** Consuming and decoding: kafkajs and the codec alone, and our pipeline with a sink that says yes to everything. */
export async function benchConsume({ addresses, rows, vectors }: SinkBenchOptions): Promise<string> {
  const { kafka } = addresses;
  const embeddingAt = embeddingChanges(384);
  await fillLog(kafka, PREFIX, rows, agentChange);
  await fillLog(kafka, PREFIX, vectors, (index) => embeddingAt(index, 0));
  const table: string[][] = [];
  for (const [kind, records] of [
    ['agent', rows],
    ['embedding', vectors],
  ] as const) {
    for (let round = 1; round <= ROUNDS; round++) {
      const [bare, ours] = [
        await read(kafka, kind, records, 'bare', round),
        await read(kafka, kind, records, 'ours', round),
      ];
      table.push(lineOf(kind, round, records, bare, ours));
    }
  }
  return markdownTable(
    [
      'kind',
      'round',
      'kafkajs, records/s',
      'ours, records/s',
      'of it',
      'CPU s per million, kafkajs',
      'ours',
      'ours, MB',
    ],
    table,
  );
}

async function read(
  { brokers }: KafkaAddress,
  kind: Kind,
  records: number,
  way: 'bare' | 'ours',
  round: number,
): Promise<Reading> {
  const args = [
    ONE,
    way,
    brokers[0] ?? '',
    PREFIX,
    kind,
    `${way}-${kind}-${round}-${process.pid}`,
    `${records}`,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Reading;
}

function lineOf(kind: Kind, round: number, records: number, bare: Reading, ours: Reading): string[] {
  const perMillion = ({ cpuSeconds }: Reading): string => ((cpuSeconds / records) * 1e6).toFixed(1);
  return [
    kind,
    `${round}`,
    whole(bare.perSecond),
    whole(ours.perSecond),
    (ours.perSecond / bare.perSecond).toFixed(2),
    perMillion(bare),
    perMillion(ours),
    whole(ours.megabytes),
  ];
}
