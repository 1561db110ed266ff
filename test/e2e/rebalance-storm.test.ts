import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Change } from '../../schemas/change.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { withKafkaLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { rebalanceStorm, redeliveredShare } from '../support/rebalance-storm.ts';
import { reconfigure } from '../support/reconfigure.ts';
import { startRunMember } from '../support/run-member.ts';
import { testStack } from '../support/stack.ts';

const PARTITIONS = 12;
const GROUP = 'target.postgres';

/** A slice of `npm run bench -- scale --only storm`. */
describe('members of a group that come and go', () => {
  let migration: Migration;
  before(async () => {
    migration = await openMigration();
    await reconfigure(migration, {
      kafka: { partitions: PARTITIONS },
      followers: { postgres: ['agent'] },
    });
  });
  after(async () => {
    await migration.close();
    await dropTopics(testStack().kafka.brokers[0] ?? '', migration.name);
  });

  it('lose nothing, and apply less than one in a hundred records twice', async () => {
    const { brokers } = testStack().kafka;
    const report = await withKafkaLog(migration.name, { brokers, partitions: PARTITIONS }, async (log) => {
      await log.prepare();
      return rebalanceStorm({
        seed: 1,
        seconds: 25,
        everyMs: 5_000,
        leaving: 'stopped',
        maxMembers: 4,
        changesPerSecond: 500,
        keys: 400,
        log,
        group: GROUP,
        changeAt: agentAt,
        start: () => startRunMember(migration.configFile),
        held: () => versionsIn(migration),
      });
    });
    assert.deepEqual(report.lost, []);
    assert.ok(report.joins + report.leaves >= 4, `${report.joins} have come, ${report.leaves} have left`);
    assert.ok(report.published > 25 * 500 * 0.8, `${report.published} were published`);
    const percent = (redeliveredShare(report) * 100).toFixed(2);
    assert.ok(redeliveredShare(report) < 0.01, `${percent} % were applied again: ${JSON.stringify(report)}`);
    assert.ok(report.consumed >= report.published);
  });
});

function agentAt(key: number, version: number): Change {
  return upsert('agent', sampleEntity('agent', { name: `a${key}` }), version);
}

async function versionsIn({ postgres, name }: Migration): Promise<ReadonlyMap<string, number>> {
  const { rows } = await postgres.query<{ id: string; version: string }>(
    `SELECT id, version FROM ${name}.agents_held`,
  );
  return new Map(rows.map(({ id, version }) => [id, Number(version)]));
}
