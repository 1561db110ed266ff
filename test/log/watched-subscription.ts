import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { KafkaSubscription } from '../../log/kafka/subscription.ts';
import type { Watermarks } from '../../log/kafka/watermarks.ts';
import type { SubscriptionEvent } from '../../log/log.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { eventually as eventuallyWithin } from '../support/eventually.ts';
import { FakeMember } from './fake-member.ts';

export const SESSION_MS = 300;
const PATIENCE_MS = 10_000;
export const PLACE = { topic: 't', partition: 0 };
/** A hundred records that nobody has read. */
const UNREAD: Watermarks = { ...PLACE, start: 0, end: 100, committed: 'never' };

/** A subscription whose members do what the test says. */
export async function openWatched(
  t: TestContext,
  options: { sleepFaster?: number; maxBufferedBytes?: number; sessionMs?: number } = {},
) {
  const { sleepFaster = 1, maxBufferedBytes = 100_000, sessionMs = SESSION_MS } = options;
  let watermarks = UNREAD;
  const members: FakeMember[] = [];
  const events: SubscriptionEvent[] = [];
  const subscription = await KafkaSubscription.open<Kind>({
    topics: new Map([['agent', 't']]),
    openMember: async (memberEvents) => {
      const member = new FakeMember(memberEvents, sessionMs);
      members.push(member);
      return member;
    },
    requireTopics: async () => {},
    readWatermarks: async () => [watermarks],
    maxBatchRecords: 100,
    maxBufferedBytes,
    heartbeatMs: 20,
    lookEveryMs: 60,
    address: 'nowhere',
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / sleepFaster, signal) },
    logger: silentLogger,
    onEvent: (event) => events.push(event),
  });
  t.after(() => subscription.close());
  const member = async (index: number): Promise<FakeMember> => {
    await eventually(() => assert.ok(members.length > index));
    const found = members[index];
    assert.ok(found);
    return found;
  };
  const first = await member(0);
  first.join(PLACE);
  await eventually(() => assert.deepEqual(first.seeks, [{ ...PLACE, offset: 0 }]));
  const batches = subscription.batches(AbortSignal.timeout(PATIENCE_MS))[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await batches.next();
    assert.ok(done !== true, 'no batch came');
    return value;
  };
  const typesOf = () => events.map(({ type }) => type);
  const setWatermarks = (changed: Partial<Watermarks>): void => {
    watermarks = { ...watermarks, ...changed };
  };
  return { subscription, member, members, first, next, typesOf, events, setWatermarks };
}

export const eventually = (check: () => void): Promise<void> => eventuallyWithin(check, PATIENCE_MS);
