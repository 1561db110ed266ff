import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { type Kind, topicOf } from '../../schemas/kinds.ts';

/** How far the followers are, by a plain client that goes past the network that is broken. */
export interface Progress {
  /** Resolves when every follower has committed what is in the log at the time of the call. */
  caughtUp(signal: AbortSignal | undefined): Promise<void>;
  /** Who is in the group of a follower now: the broker's names of them. */
  members(store: string): Promise<ReadonlySet<string>>;
  /** Records of one kind that are gone from the log and that the follower has not committed. */
  missed(store: string, kind: Kind): Promise<number>;
  close(): Promise<void>;
}

const WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 250;

export async function openProgress(
  brokers: readonly string[],
  prefix: string,
  followers: ReadonlyMap<string, readonly Kind[]>,
): Promise<Progress> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
  const admin = kafka.admin();
  await admin.connect();
  const groupOf = (store: string): string => `${prefix}.target.${store}`;

  async function ends(topic: string): Promise<ReadonlyMap<number, number>> {
    const offsets = await admin.fetchTopicOffsets(topic);
    return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
  }

  async function behind(
    store: string,
    goals: ReadonlyMap<string, ReadonlyMap<number, number>>,
  ): Promise<number> {
    const topics = (followers.get(store) ?? []).map((kind) => topicOf(prefix, kind));
    const committed = await admin.fetchOffsets({ groupId: groupOf(store), topics });
    let records = 0;
    for (const { topic, partitions } of committed) {
      for (const { partition, offset } of partitions)
        records += Math.max(0, (goals.get(topic)?.get(partition) ?? 0) - Math.max(0, Number(offset)));
    }
    return records;
  }

  return {
    async caughtUp(signal) {
      const startedMs = performance.now();
      const goals = new Map<string, ReadonlyMap<number, number>>();
      for (const kinds of followers.values())
        for (const kind of kinds) goals.set(topicOf(prefix, kind), await ends(topicOf(prefix, kind)));
      for (const store of followers.keys()) {
        for (let left = await behind(store, goals); left > 0; left = await behind(store, goals)) {
          if (performance.now() - startedMs > WITHIN_MS)
            throw new Error(`${store} is still ${left} records behind after ${WITHIN_MS / 1000} s.`);
          await sleep(LOOK_EVERY_MS, undefined, { signal });
        }
      }
    },
    async members(store) {
      const { groups } = await admin.describeGroups([groupOf(store)]);
      return new Set(groups.flatMap(({ members }) => members.map(({ memberId }) => memberId)));
    },
    async missed(store, kind) {
      const topic = topicOf(prefix, kind);
      const [committed] = await admin.fetchOffsets({ groupId: groupOf(store), topics: [topic] });
      const offsets = await admin.fetchTopicOffsets(topic);
      const lows = new Map(offsets.map(({ partition, low }) => [partition, Number(low)]));
      return (committed?.partitions ?? []).reduce(
        (sum, { partition, offset }) =>
          sum + Math.max(0, (lows.get(partition) ?? 0) - Math.max(0, Number(offset))),
        0,
      );
    },
    close: () => admin.disconnect(),
  };
}
