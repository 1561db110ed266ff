import { Watchers } from '../../core/watchers.ts';
import { MemoryGroup } from './group.ts';

export interface StoredRecord {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly timestampMs: number;
}

/** A partition is a list; a record's offset is its place. */
export type MemoryTopic = readonly StoredRecord[][];

/**
 * What outlives the processes that use it: topics, groups and facts, in memory, as one process sees them. Nothing here
 * takes time: every wait ends with a call of somebody else, so a simulator that decides who goes next decides
 * everything.
 */
export class MemoryBroker {
  /** By name. */
  readonly topics = new Map<string, MemoryTopic>();
  /** The newest record of each subject, by topic and subject. */
  readonly facts = new Map<string, Map<string, Buffer>>();
  /** Told of every record and of every change of a group. */
  readonly watchers = new Watchers();
  readonly #groups = new Map<string, MemoryGroup>();

  group(name: string): MemoryGroup {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new MemoryGroup(this.watchers);
      this.#groups.set(name, group);
    }
    return group;
  }

  append(topic: MemoryTopic, partition: number, record: StoredRecord): void {
    topic[partition]?.push(record);
    this.watchers.wake();
  }
}
