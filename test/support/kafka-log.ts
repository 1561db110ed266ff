import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import type { Log } from '../../log/log.ts';
import { createCodec } from '../../schemas/codec.ts';

interface Options {
  readonly brokers: readonly string[];
  readonly partitions: number;
  readonly sessionTimeoutMs?: number;
}

/** The log under this prefix, on real brokers. */
export function openTestLog(prefix: string, options: Options): Promise<Log> {
  const context = { prefix, codec: createCodec(), writer: 'test', logger: silentLogger, clock: systemClock };
  return openKafkaLog(kafkaOptions.parse(options), context);
}

/** The same for the length of the work. */
export async function withKafkaLog<T>(
  prefix: string,
  options: Options,
  work: (log: Log) => Promise<T>,
): Promise<T> {
  const log = await openTestLog(prefix, options);
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}
