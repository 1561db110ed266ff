/**
 * A consumer for kafka-zombie.test.ts, in a process of its own so that it can be stopped. It takes one batch and holds
 * it, as a store does that is slow, and says every moment whether it would still apply it.
 */
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import { createCodec } from '../../schemas/codec.ts';

const [broker = '', prefix = '', sessionTimeoutMs = ''] = process.argv.slice(2);
const options = { brokers: [broker], partitions: 1, sessionTimeoutMs: Number(sessionTimeoutMs) };
const log = await openKafkaLog(kafkaOptions.parse(options), {
  prefix,
  codec: createCodec(),
  writer: 'test',
  logger: silentLogger,
  clock: systemClock,
});
const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const subscription = await log.subscribe({
  group: 'g',
  kinds: ['agent'],
  maxBatchRecords: 10,
  onEvent: ({ type }) => say(type),
});
for await (const batch of subscription.batches(new AbortController().signal)) {
  say(`took ${batch.generation}`);
  while (subscription.isCurrent(batch)) {
    say('would apply');
    await systemClock.sleep(20);
  }
  say('put aside');
  await subscription.commit(batch);
}
