import { randomUUID } from 'node:crypto';
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { ChangeoverError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { LogPlace, LogRecord } from '../log.ts';
import type { KafkaAdmin } from './admin.ts';
import type { Client, Clients } from './client.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import { topicOffsets } from './offsets.ts';
import { placeOf, recordOf } from './records.ts';

export interface PlaceReading {
  readonly admin: KafkaAdmin;
  readonly clients: Clients;
  readonly topics: ReadonlyMap<Kind, string>;
  /** What the name of the throw-away group begins with. */
  readonly groupPrefix: string;
  readonly sessionTimeoutMs: number;
}

/** For each of them: a group of one member is joined in up to three seconds, then it is a fetch for each place at most. */
const TIMEOUT_MS = 60_000;
const ATTEMPTS = { attempts: 3, initialDelayMs: 200, maxDelayMs: 1_000 } as const;
/** Of one partition in one fetch: the places lie apart, and what lies between them is not wanted. */
const FETCH_BYTES = 64 * 1024;
const FETCH_WAIT_MS = 250;

/** The offsets that are still wanted of one partition, ascending. */
interface Wanted {
  readonly kind: Kind;
  readonly topic: string;
  readonly partition: number;
  offsets: readonly number[];
}

/**
 * Reads single records, by a consumer in a group of its own that goes from place to place, commits nothing, and is deleted
 * when it is done. What has expired, or is not there yet, is not asked for: kafkajs would go to the beginning instead.
 */
export async function readPlaces(
  reading: PlaceReading,
  places: readonly LogPlace[],
): Promise<readonly (LogRecord | undefined)[]> {
  const wanted = await placesThatAreThere(reading, places);
  const found = new Map<string, LogRecord>();
  if (wanted.length > 0) {
    await retry(() => readWanted(reading, wanted, found), {
      policy: ATTEMPTS,
      clock: reading.clients.clock,
    });
  }
  return places.map((place) => found.get(idOf(place)));
}

function idOf({ kind, partition, offset }: LogPlace): string {
  return `${kind}/${partition}/${offset}`;
}

async function placesThatAreThere(
  { admin, topics }: PlaceReading,
  places: readonly LogPlace[],
): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = [];
  for (const [kind, ofKind] of Map.groupBy(places, (place) => place.kind)) {
    const topic = topics.get(kind);
    if (topic === undefined) throw new ChangeoverError('internal', `No topic for ${kind}.`);
    for (const { partition, start, end } of await topicOffsets(admin, topic)) {
      const offsets = ofKind
        .filter((place) => place.partition === partition)
        .map(({ offset }) => offset)
        .filter((offset) => offset >= start && offset < end)
        .sort((a, b) => a - b);
      if (offsets.length > 0) wanted.push({ kind, topic, partition, offsets });
    }
  }
  return wanted;
}

async function readWanted(
  { admin, clients, groupPrefix, sessionTimeoutMs }: PlaceReading,
  wanted: readonly Wanted[],
  found: Map<string, LogRecord>,
): Promise<void> {
  const { clock, address } = clients;
  const topics = [...new Set(wanted.map(({ topic }) => topic))];
  const doing = `read records of ${topics.join(', ')}`;
  const groupId = `${groupPrefix}${randomUUID()}`;
  const client = await clients.connect(doing, (kafka) =>
    kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      maxBytesPerPartition: FETCH_BYTES,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      retry: { retries: 3, restartOnFailure: async () => false },
    }),
  );
  try {
    await within({ clock, ms: TIMEOUT_MS }, walk(client, topics, wanted, found), () => {
      throw new ChangeoverError('timeout', `Cannot ${doing}: not done within ${TIMEOUT_MS} ms (${address}).`);
    });
  } catch (error) {
    throw kafkaError(error, doing, address);
  } finally {
    await client.close();
    // Without offsets it goes by itself, in some minutes.
    await admin.ask(`forget the group ${groupId}`, (kafka) => kafka.deleteGroups([groupId])).catch(() => {});
  }
}

async function walk(
  { connected: consumer }: Client<Consumer>,
  topics: readonly string[],
  wanted: readonly Wanted[],
  found: Map<string, LogRecord>,
): Promise<void> {
  const byPlace = new Map(wanted.map((each) => [placeOf(each), each]));
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const goOn = (each: Wanted): void => {
    const [next] = each.offsets;
    const { topic, partition } = each;
    if (next === undefined) consumer.pause([{ topic, partitions: [partition] }]);
    else consumer.seek({ topic, partition, offset: `${next}` });
  };
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  consumer.on(consumer.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
    for (const [topic, partitions] of Object.entries(memberAssignment)) {
      for (const partition of partitions) {
        const each = byPlace.get(placeOf({ topic, partition }));
        if (each === undefined) consumer.pause([{ topic, partitions: [partition] }]);
        else goOn(each);
      }
    }
  });
  const look = async ({ batch, resolveOffset, heartbeat }: EachBatchPayload): Promise<void> => {
    const each = byPlace.get(placeOf(batch));
    if (each === undefined) return;
    const last = Number(batch.lastOffset());
    for (const message of batch.messages) {
      const record = recordOf(each.kind, each.partition, message);
      if (each.offsets.includes(record.offset)) found.set(idOf(record), record);
    }
    each.offsets = each.offsets.filter((offset) => offset > last);
    resolveOffset(batch.lastOffset());
    goOn(each);
    if (wanted.every(({ offsets }) => offsets.length === 0)) resolve();
    else await heartbeat();
  };
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: look }).catch(reject);
  await done;
}
