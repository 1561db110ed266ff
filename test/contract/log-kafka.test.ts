import { after } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import { createCodec } from '../../schemas/codec.ts';
import { testStack } from '../support/stack.ts';
import { type LogUnderContract, logContract } from './log.ts';
import { claimContract } from './log-claims.ts';
import { deadLetterContract } from './log-dead-letters.ts';
import { workContract } from './log-work.ts';

/** The shortest that brokers allow by default. */
const SESSION_TIMEOUT_MS = 6_000;
const { brokers } = testStack().kafka;
const prefixes = new Set<string>();

const subject: LogUnderContract = {
  sessionTimeoutMs: SESSION_TIMEOUT_MS,
  open: async ({ prefix, writer, ...options }) => {
    prefixes.add(prefix);
    return openKafkaLog(kafkaOptions.parse({ ...options, brokers, sessionTimeoutMs: SESSION_TIMEOUT_MS }), {
      prefix,
      writer,
      codec: createCodec(),
      logger: silentLogger,
      clock: systemClock,
    });
  },
};

logContract('The log on Kafka', subject);
claimContract('The log on Kafka', subject);
deadLetterContract('The log on Kafka', subject);
workContract('The log on Kafka', subject);

after(async () => {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => prefixes.has(topic.split('.')[0] ?? ''));
  await admin.deleteTopics({ topics });
  await admin.disconnect();
});
