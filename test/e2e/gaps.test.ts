import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { type Migration, openMigration } from '../support/migration.ts';
import { testStack } from '../support/stack.ts';

const PARTITIONS = 4;
const kafka = new Kafka({ brokers: [...testStack().kafka.brokers], logLevel: logLevel.NOTHING });

/** Twenty agents in a ring of friends. */
function society(): Record<string, unknown> {
  const ids = Array.from({ length: 20 }, (_, index) => `agent-${index}`);
  const members = ids.map((id, index) => {
    const friend = ids[(index + 1) % ids.length] ?? id;
    const memory = { friends: [friend], relationships: { [friend]: 50 }, relation_types: {} };
    return [id, { id, type: 'citizen', active: true, attributes: { name: id }, memory }] as const;
  });
  return Object.fromEntries(members);
}

describe('changeover run where changes are missing from the log', { concurrency: false }, () => {
  let migration: Migration;
  let topic: string;
  before(async () => {
    migration = await openMigration();
    topic = `${migration.name}.agents`;
    await writeFile(migration.dictionaryFile, JSON.stringify(society()));
    await backfill();
    assert.equal((await run()).code, 0);
  });
  after(() => migration.close());

  const run = (...args: string[]) => migration.cli('run', '--until-caught-up', ...args);
  async function backfill(...args: string[]): Promise<void> {
    const { code, stderr } = await migration.cli('backfill', '--kinds', 'agent,relationship', ...args);
    assert.equal(code, 0, stderr);
  }

  it('stops with exit code 9 and names the range, until it is told to go on', async () => {
    await backfill('--restart');
    await withAdmin(async (admin) => {
      const offsets = await admin.fetchTopicOffsets(topic);
      const partitions = offsets.map(({ partition, high }) => ({ partition, offset: high }));
      await admin.deleteTopicRecords({ topic, partitions });
    });
    for (const _try of [1, 2]) {
      const { code, stderr } = await run();
      assert.equal(code, 9, stderr);
      assert.match(stderr, new RegExp(`${topic}, partition \\d: offsets \\d+ to \\d+ are missing`));
      assert.match(stderr, /--accept-gap/);
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
    }
    assert.equal((await run('--accept-gap')).code, 0);
    await backfill('--restart');
    const { code, stderr } = await run();
    assert.equal(code, 0, `the gap was accepted once and for all: ${stderr}`);
  });

  it('stops with exit code 9 when a topic was made again, though nothing is missing by its numbers', async () => {
    await withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [topic] });
      await delay(500);
      await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
    });
    // Before anything waits there, and without anybody who follows.
    const seen = await migration.cli('lag', '--check');
    assert.equal(seen.code, 15, seen.stdout);
    assert.match(seen.stdout, new RegExp(`${topic.replaceAll('.', '\\.')} .*STALLED +a gap: how far`));
    await backfill('--restart');
    const { code, stderr } = await run();
    assert.equal(code, 9, stderr);
    assert.match(stderr, new RegExp(`${topic}, partition \\d: the group has read this topic`));
    assert.equal((await run('--accept-gap')).code, 0);
    assert.equal((await run()).code, 0);
    const after = await migration.cli('lag', '--check');
    assert.equal(after.code, 0, after.stdout);
  });
});

async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}
