import { silentLogger } from '../../core/logger.ts';
import type { Log, SubscribeOptions } from '../../log/log.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import { openMemoryLog } from '../../log/memory/open.ts';
import { MemorySubscription } from '../../log/memory/subscription.ts';
import { testCodec } from '../support/memory-log.ts';
import type { DeadLetters } from './dead-letters.ts';
import { type History, MAX_CHANGE_BYTES } from './history.ts';
import type { Life } from './life.ts';
import { BROKER, PARTITIONS, PREFIX } from './names.ts';
import { openPublisher } from './sim-publisher.ts';
import { type GroupRules, SESSION_MS, SimSubscription } from './sim-subscription.ts';
import { unreachable, type World } from './world.ts';

/** The log in memory, which outlives all processes. */
export interface SimLog {
  readonly broker: MemoryBroker;
  readonly inner: Log;
}

export async function makeLog(world: World): Promise<SimLog> {
  const broker = new MemoryBroker();
  const clock = { nowUs: () => world.nowUs, elapsedMs: () => world.nowMs, sleep: () => Promise.resolve() };
  const context = { prefix: PREFIX, codec: testCodec, writer: 'log', logger: silentLogger, clock };
  const options = { broker, partitions: PARTITIONS, maxChangeBytes: MAX_CHANGE_BYTES };
  const inner = openMemoryLog(options, context);
  await inner.prepare();
  return { broker, inner };
}

export interface LogViewOptions {
  readonly log: SimLog;
  readonly life: Life;
  readonly history: History;
  /** Of the process that has it, what is planted. */
  readonly confirmsEarly?: boolean;
  readonly rules?: GroupRules;
  readonly deadLetters?: DeadLetters;
  /** Every membership that it ever had. */
  readonly members?: MemorySubscription[];
  readonly onSubscribed?: (subscription: SimSubscription) => void;
}

/** One process' way to the log: every call travels. */
export function viewOfLog(options: LogViewOptions): Log {
  const { log, life, rules, members, deadLetters, onSubscribed } = options;
  const { inner } = log;
  return {
    prepare: () => life.call(BROKER, 'prepares the log', () => inner.prepare()),
    publisher: () =>
      life
        .call(BROKER, 'opens a publisher', () => inner.publisher())
        .then((publisher) => openPublisher({ ...options, inner: publisher })),
    subscribe: async (asked: SubscribeOptions) => {
      if (rules === undefined) throw new Error('This process follows nothing.');
      // A member whose process never hears of it would be put out by the broker after a while: here it does not come to be.
      const join = async (): Promise<MemorySubscription> => {
        if (life.isDead) throw unreachable(BROKER);
        const member = await inner.subscribe(asked);
        if (!(member instanceof MemorySubscription)) throw new Error('No member of a group in memory.');
        members?.push(member);
        if (life.isDead) life.world.timeline.after(SESSION_MS, () => member.expire());
        return member;
      };
      const member = await life.call(BROKER, 'joins its group', join, { sure: true });
      const group = log.broker.group(`${PREFIX}/${asked.group}`);
      const subscription = new SimSubscription({ life, group, rules, join, first: member });
      onSubscribed?.(subscription);
      return subscription;
    },
    positions: (kinds, group) => life.call(BROKER, 'asks for positions', () => inner.positions(kinds, group)),
    arrivals: (asked) => life.call(BROKER, 'asks for arrivals', () => inner.arrivals(asked)),
    members: (group) => life.call(BROKER, 'asks for members', () => inner.members(group)),
    records: (asked) => life.call(BROKER, 'asks for records', () => inner.records(asked)),
    // A backfill that shares its run with nobody does without it.
    work: inner.work,
    deadLetters: {
      write: (letters) =>
        life.call(BROKER, `writes ${letters.length} dead letters`, async () => {
          await inner.deadLetters.write(letters);
          deadLetters?.add(letters);
        }),
      read: (keepPayload) =>
        life.call(BROKER, 'reads dead letters', () => inner.deadLetters.read(keepPayload)),
    },
    control: {
      write: (subject, body) =>
        life.call(BROKER, `writes fact ${subject}`, () => inner.control.write(subject, body)),
      read: (prefix) => life.call(BROKER, `reads facts ${prefix}`, () => inner.control.read(prefix)),
    },
    close: async () => {},
  };
}
