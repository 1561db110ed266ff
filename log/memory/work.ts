import type { WorkTopic } from '../log.ts';
import { WORK_LOTS, type WorkCodec } from '../work-codec.ts';
import {
  WorkMembership,
  type WorkReader,
  type WorkReaderEvents,
  type WorkRecord,
} from '../work-membership.ts';
import type { MemoryBroker, MemoryTopic } from './broker.ts';
import type { MemoryGroup, MemoryMember } from './group.ts';

export interface MemoryWorkOptions {
  readonly broker: MemoryBroker;
  /** Throws `mismatch` when the topic is not there, and `aborted` when the log is closed. */
  readonly topic: () => MemoryTopic;
  readonly codec: WorkCodec;
  readonly groupOf: (crew: string) => MemoryGroup;
  readonly nowUs: () => number;
  /** Closes it with the log. */
  readonly adopt: (member: WorkMembership<WorkRecord>) => void;
}

export function openMemoryWork(options: MemoryWorkOptions): WorkTopic {
  const { broker, codec, groupOf, nowUs, adopt } = options;
  return {
    lots: WORK_LOTS,
    write: async (crew, items) => {
      const topic = options.topic();
      for (const item of items) {
        const { partition, key, value } = codec.encode(crew, item, nowUs());
        broker.append(topic, partition, { key, value, timestampMs: Math.trunc(nowUs() / 1_000) });
      }
    },
    join: async (crew) => {
      const topic = options.topic();
      const group = groupOf(crew);
      const open = (events: WorkReaderEvents) => openReader({ broker, topic, group, events });
      const member = await WorkMembership.open<WorkRecord>({ crew, codec, open });
      adopt(member);
      return member;
    },
  };
}

interface ReaderOptions {
  readonly broker: MemoryBroker;
  readonly topic: MemoryTopic;
  readonly group: MemoryGroup;
  readonly events: WorkReaderEvents;
}

async function openReader({ broker, topic, group, events }: ReaderOptions): Promise<WorkReader<WorkRecord>> {
  let positions = new Map<number, number>();
  let generation = -1;
  let closed = false;
  const member: MemoryMember = {
    wanted: topic.map((_, partition) => `${partition}`),
    ready: async () => {},
    assign: (places) => {
      generation = group.generation;
      positions = new Map(places.map((place) => [Number(place), group.committed.get(place) ?? 0]));
      if (!closed) events.assigned([...positions.keys()]);
    },
  };
  await group.join(member);
  const take = (): readonly WorkRecord[] =>
    Array.from(positions).flatMap(([partition, from]) => {
      const records = topic[partition] ?? [];
      positions.set(partition, records.length);
      return records
        .slice(from)
        .map(({ key, value }, index) => ({ partition, offset: from + index, key: key.toString(), value }));
    });
  const isCurrent = (batch: { readonly generation: number }): boolean =>
    !closed && batch.generation === group.generation;
  return {
    isCurrent,
    async *batches(signal) {
      const wake = (): void => broker.watchers.wake();
      signal.addEventListener('abort', wake);
      while (!signal.aborted) {
        const records = take();
        if (records.length === 0) await broker.watchers.changed();
        else yield { records, generation };
      }
      signal.removeEventListener('abort', wake);
    },
    commit: async (batch) => {
      if (!isCurrent(batch)) return;
      for (const { partition, offset } of batch.records) group.committed.set(`${partition}`, offset + 1);
    },
    close: async () => {
      closed = true;
      group.leave(member);
    },
  };
}
