import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import type { Log } from '../../log/log.ts';
import { createCodec } from '../../schemas/codec.ts';

/** The log under this prefix, on real brokers, for the length of the work. */
export async function withKafkaLog<T>(
  prefix: string,
  options: { readonly brokers: readonly string[]; readonly partitions: number },
  work: (log: Log) => Promise<T>,
): Promise<T> {
  const context = { prefix, codec: createCodec(), writer: 'test', logger: silentLogger, clock: systemClock };
  const log = await openKafkaLog(kafkaOptions.parse(options), context);
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}
