import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import type { Log } from '../../log/log.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { openTestLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

const prefix = uniqueName('places').replace('_', '-');
const { brokers } = testStack().kafka;

describe('single records, read again from Kafka', { concurrency: false }, () => {
  let log: Log;
  const admin: Admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  after(async () => {
    await log.close();
    await admin.disconnect();
    await dropTopics(brokers[0] ?? '', `${prefix}.`);
  });

  it('are found where they are far apart, and reading them leaves no group behind', async () => {
    log = await openTestLog(prefix, { brokers, partitions: 1 });
    await log.prepare();
    await admin.connect();
    const publisher = await log.publisher();
    const text = 'x'.repeat(1_000);
    const changes = Array.from({ length: 3_000 }, (_, index) =>
      upsert('agent', sampleEntity('agent', { name: `a${index}`, scalars: { text } }), 1_000 + index),
    );
    await publisher.publish(changes);
    const offsets = [0, 1, 2, 999, 1_500, 2_998, 2_999];
    const records = await log.records(offsets.map((offset) => ({ kind: 'agent', partition: 0, offset })));
    assert.deepEqual(
      records.map((record) => record?.key),
      offsets.map((offset) => `a${offset}`),
    );
    const { groups } = await admin.listGroups();
    assert.deepEqual(
      groups.filter(({ groupId }) => groupId.startsWith(prefix)),
      [],
    );
  });

  it('are not there any more where they have expired, and nothing else is taken for them', async () => {
    await admin.deleteTopicRecords({
      topic: `${prefix}.agents`,
      partitions: [{ partition: 0, offset: '1000' }],
    });
    const places = [999, 1_000, 0].map((offset) => ({ kind: 'agent' as const, partition: 0, offset }));
    for (let tries = 0; ((await log.positions(['agent']))[0]?.start ?? 0) < 1_000; tries++) {
      assert.ok(tries < 50);
      await sleep(100);
    }
    const records = await log.records(places);
    assert.deepEqual(
      records.map((record) => record?.key),
      [undefined, 'a1000', undefined],
    );
  });
});
