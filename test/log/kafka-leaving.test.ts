import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../log/log.ts';
import { eventually } from '../support/eventually.ts';
import { withKafkaLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

/** So long a member is waited for that has gone without a word. */
const SESSION_TIMEOUT_MS = 30_000;
/** Long enough for the group to be shared out twice. */
const SOON_MS = 12_000;
const GROUP = 'g';
const { brokers } = testStack().kafka;

describe('a member that is closed while the group is being shared out', { concurrency: false }, () => {
  const family = uniqueName('leaving');
  after(async () => {
    for (const broker of brokers.slice(0, 1)) await dropTopics(broker, family);
  });

  const follow = async (log: Log): ReturnType<Log['subscribe']> =>
    log.subscribe({ group: GROUP, kinds: ['agent'] });

  for (const [when, afterMs] of [
    ['at once', 0],
    ['as soon as it has asked for its part', 150],
    ['a moment later', 1_000],
  ] as const) {
    it(`is not waited for: ${when}`, async () => {
      const prefix = `${family}-${afterMs}`;
      const options = { brokers, partitions: 4, sessionTimeoutMs: SESSION_TIMEOUT_MS };
      await withKafkaLog(prefix, options, async (log) => {
        await log.prepare();
        const stays = await follow(log);
        const reading = new AbortController();
        const read = (async () => {
          for await (const batch of stays.batches(reading.signal)) await stays.commit(batch);
        })();
        await eventually(async () => assert.equal(await log.members(GROUP), 1), SOON_MS);
        await withKafkaLog(prefix, options, async (other) => {
          const goes = await follow(other);
          await delay(afterMs);
          const startMs = performance.now();
          await goes.close();
          assert.ok(performance.now() - startMs < 8_000, 'closing took too long');
        });
        await eventually(async () => assert.equal(await log.members(GROUP), 1), SOON_MS);
        reading.abort();
        await stays.close();
        await read;
      });
    });
  }
});
