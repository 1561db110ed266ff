import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Log, Subscription } from '../../log/log.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import { openMemoryLog } from '../../log/memory/open.ts';
import type { Change } from '../../schemas/change.ts';
import { createCodec } from '../../schemas/codec.ts';
import { KINDS } from '../../schemas/kinds.ts';
import { overriding } from './overriding.ts';

export const testCodec = createCodec();

/** A prepared log in memory; the same broker given twice is the same log. */
export async function openTestLog(broker: MemoryBroker = new MemoryBroker()): Promise<Log> {
  const context = {
    prefix: 'test',
    codec: testCodec,
    writer: 'test',
    logger: silentLogger,
    clock: systemClock,
  };
  const log = openMemoryLog({ broker, partitions: 4 }, context);
  await log.prepare();
  return log;
}

/** Every change that is in the log now, in no particular order of partitions. */
export async function changesIn(log: Log): Promise<readonly Change[]> {
  const stop = new AbortController();
  const total = (await log.positions(KINDS)).reduce((sum, { end }) => sum + end, 0);
  const subscription = await log.subscribe({ group: `read-all-${Math.random()}`, kinds: KINDS });
  const changes: Change[] = [];
  try {
    if (total === 0) return changes;
    for await (const { records } of subscription.batches(stop.signal)) {
      for (const { kind, key, value } of records)
        if (value !== null) changes.push(testCodec.decode(kind, key, value));
      if (changes.length >= total) break;
    }
    return changes;
  } finally {
    stop.abort();
    await subscription.close();
  }
}

/** The same log, whose subscriptions do some things otherwise. */
export function following(log: Log, otherwise: (subscription: Subscription) => Partial<Subscription>): Log {
  return overriding(log, {
    subscribe: async (options) => {
      const subscription = await log.subscribe(options);
      return overriding(subscription, otherwise(subscription));
    },
  });
}
