import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Admin } from 'kafkajs';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { type KafkaAdmin, openAdmin } from '../../log/kafka/admin.ts';
import { type Clients, prepareClients } from '../../log/kafka/client.ts';
import { groupOffsets, offsetsAtTime, topicOffsets } from '../../log/kafka/offsets.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import { topicOf } from '../../schemas/kinds.ts';
import { withKafkaLog } from '../support/kafka-log.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

const PARTITIONS = 3;
const { brokers } = testStack().kafka;
const prefix = uniqueName('offsets');
const topic = topicOf(prefix, 'agent');

/** What kafkajs answers from the broker, but as if it knew no partition of the topic: so many times. */
let forgetful = 0;

function forgets(answer: unknown): unknown {
  if (forgetful === 0 || !Array.isArray(answer)) return answer;
  forgetful -= 1;
  const named = answer.filter((each) => typeof each === 'object' && each !== null && 'partitions' in each);
  return named.map((each) => ({ ...each, partitions: [] }));
}

function forgetfulClients(clients: Clients): Clients {
  return {
    ...clients,
    async connect(doing, make, ms) {
      const client = await clients.connect(doing, make, ms);
      const connected = new Proxy(client.connected, {
        get: (target, name) => {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== 'function' || !/^fetch.*Offsets/.test(`${String(name)}`)) return method;
          return async (...args: readonly unknown[]) => forgets(await method.apply(target, args));
        },
      });
      return { ...client, connected };
    },
  };
}

describe('offsets, where the client has lost sight of a topic', () => {
  let admin: KafkaAdmin;
  before(async () => {
    const options = kafkaOptions.parse({ brokers, partitions: PARTITIONS });
    await withKafkaLog(prefix, { brokers, partitions: PARTITIONS }, (log) => log.prepare());
    admin = await openAdmin(
      forgetfulClients(await prepareClients(options, silentLogger, systemClock)),
      options.openTimeoutMs,
    );
  });
  after(async () => {
    await admin.close();
    for (const broker of brokers.slice(0, 1)) await dropTopics(broker, prefix);
  });

  const questions: Readonly<Record<string, () => Promise<number>>> = {
    'of a topic': async () => (await topicOffsets(admin, topic)).length,
    'of a group': async () => (await groupOffsets(admin, { groupId: `${prefix}.g`, topics: [topic] })).length,
    'at a time': async () => (await offsetsAtTime(admin, topic, Date.now())).size,
  };
  for (const [what, ask] of Object.entries(questions)) {
    it(`${what} are asked for again, and all of them answered`, async () => {
      forgetful = 2;
      assert.equal(await ask(), PARTITIONS);
      assert.equal(forgetful, 0);
    });

    it(`${what} are not said to be none when it stays so`, async () => {
      forgetful = Number.POSITIVE_INFINITY;
      await assert.rejects(ask(), { code: 'unreachable', message: /does not know the partitions of/ });
      forgetful = 0;
    });
  }

  it('are none of a topic that is not there: the client says so', async () => {
    const missing = `${prefix}.missing`;
    await assert.rejects(topicOffsets(admin, missing), { code: 'mismatch' });
    await assert.rejects(
      admin.ask('look', (kafka: Admin) => kafka.fetchOffsets({ groupId: `${prefix}.g`, topics: [missing] })),
      { code: 'mismatch' },
    );
  });
});
