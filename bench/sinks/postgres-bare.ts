/**
 * The loop that somebody would write by hand: kafkajs, decode, guarded upsert, commit. No echo, no dead letters, no check of
 * what is in the log, no outcome of each change. A process of its own; its arguments are the broker, the topic, the group,
 * the url of the server and the table. It runs until it is ended.
 */
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { currentSchema } from '../../schemas/avro.ts';
import type { WireChangeOf } from '../../schemas/change.ts';
import { guardedUpsert } from '../raw/postgres.ts';

const MARKER_BYTES = 10;
const MAX_ROWS = 2_000;

const [broker = '', topic = '', groupId = '', url = '', table = ''] = process.argv.slice(2);
const schema = currentSchema('agent');
const client = new pg.Client({ connectionString: url });
await client.connect();
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachBatch: async ({ batch }) => {
    for (let start = 0; start < batch.messages.length; start += MAX_ROWS) {
      const messages = batch.messages.slice(start, start + MAX_ROWS);
      const rows = messages.flatMap(({ value }) => {
        if (value === null) return [];
        const { after, version } = schema.decode(value, MARKER_BYTES).value as WireChangeOf['agent'];
        return after === null ? [] : [{ ...after, version }];
      });
      // A row may stand only once in a statement, and in one order everywhere.
      const newest = [...new Map(rows.map((row) => [row.id, row])).values()];
      newest.sort((left, right) => (left.id < right.id ? -1 : 1));
      await client.query({
        name: 'bare',
        text: guardedUpsert(table),
        values: [
          newest.map(({ id }) => id),
          newest.map(({ type }) => type),
          newest.map(({ active }) => active),
          newest.map(({ attributes }) => JSON.stringify(attributes)),
          newest.map(({ version }) => version),
        ],
      });
      const last = messages.at(-1);
      const offset = `${Number(last?.offset) + 1}`;
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset }]);
    }
  },
});
