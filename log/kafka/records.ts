import type { KafkaMessage } from 'kafkajs';
import type { SchemaName } from '../../schemas/kinds.ts';
import type { LogRecord, RecordBatch } from '../log.ts';

/** A record of any topic of ours; those of kinds are what the port calls `LogRecord`. */
export type TopicRecord<N extends SchemaName> = Omit<LogRecord, 'kind'> & { readonly kind: N };
export type TopicBatch<N extends SchemaName> = Omit<RecordBatch, 'records'> & {
  readonly records: readonly TopicRecord<N>[];
};

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});
/** What a record costs in memory beside its key and value. */
const RECORD_BYTES = 256;

/** Bytes of memory that a record takes, about. */
export function memoryOf({ key, value }: Pick<LogRecord, 'key' | 'value'>): number {
  return RECORD_BYTES + key.length + (value?.byteLength ?? 0);
}

export function placeOf({
  topic,
  partition,
}: {
  readonly topic: string;
  readonly partition: number;
}): string {
  return `${topic}/${partition}`;
}

/** A fetch brings many records of one partition in a row; for the place that was reached the last of them is enough. */
export function lastOfEachRun<R extends Pick<LogRecord, 'partition'> & { readonly kind: unknown }>(
  records: readonly R[],
): readonly R[] {
  return records.filter(({ kind, partition }, index) => {
    const following = records[index + 1];
    return following?.partition !== partition || following.kind !== kind;
  });
}

export function recordOf<N extends SchemaName>(
  kind: N,
  partition: number,
  message: KafkaMessage,
): TopicRecord<N> {
  return {
    kind,
    partition,
    offset: Number(message.offset),
    key: message.key?.toString() ?? '',
    value: message.value,
    headers: headersOf(message.headers),
    timestampMs: Number(message.timestamp),
  };
}

function headersOf(headers: KafkaMessage['headers']): Readonly<Record<string, string>> {
  // A loop and not Object.entries: almost no record has a header, and every record comes through here.
  let found: Record<string, string> | undefined;
  for (const name in headers) {
    const value = headers[name];
    found ??= {};
    found[name] = String(Array.isArray(value) ? value[0] : value);
  }
  return found ?? NO_HEADERS;
}
