import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import type { Log } from '../../log/log.ts';
import type { Change, ChangeOf } from '../../schemas/change.ts';
import { createCodec } from '../../schemas/codec.ts';
import { agentIdAt } from '../../society/generator/agent-id.ts';
import type { KafkaAddress } from '../../stack/addresses.ts';
import { publishAll } from '../publish-all.ts';

const FIRST_VERSION = 1_700_000_000_000_000;
const OCCUPATIONS = ['baker', 'carpenter', 'nurse', 'teacher'] as const;

/** An agent whose row has about 200 bytes; ids in no order, as those of real agents. */
export function agentChange(index: number): ChangeOf<'agent'> {
  const id = agentIdAt(1, index);
  const attributes = {
    name: `Somebody Or Other the ${index}th`,
    age: index % 90,
    gender: index % 2 === 0 ? 'female' : 'male',
    occupation: OCCUPATIONS[index % OCCUPATIONS.length] ?? '',
    household: `household ${index % 10_000}`,
  };
  const version = FIRST_VERSION + index;
  return {
    kind: 'agent',
    key: id,
    op: 'u',
    version,
    before: null,
    after: { id, type: 'citizen', active: index % 7 !== 0, attributes },
    origin: { path: 'shim', store: 'legacy.dictionary', writer: 'bench' },
    eventId: id,
    capturedAt: version,
  };
}

/** The log under a prefix of its own, for the length of the work. */
export async function withLog<T>(
  { brokers }: KafkaAddress,
  prefix: string,
  work: (log: Log) => Promise<T>,
): Promise<T> {
  const log = await openKafkaLog(kafkaOptions.parse({ brokers }), {
    prefix,
    codec: createCodec(),
    writer: 'bench',
    logger: silentLogger,
    clock: systemClock,
  });
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}

/** Publishes so many changes, all of them before anybody follows. */
export function fillLog(
  address: KafkaAddress,
  prefix: string,
  changes: number,
  changeAt: (index: number) => Change,
): Promise<void> {
  return withLog(address, prefix, (log) => publishAll(log, changes, changeAt));
}
