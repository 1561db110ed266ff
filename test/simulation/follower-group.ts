import type { MemoryGroup } from '../../log/memory/group.ts';
import type { Change } from '../../schemas/change.ts';
import { type Kind, topicOf } from '../../schemas/kinds.ts';
import { identify } from '../support/changes.ts';
import { testCodec } from '../support/memory-log.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Follower, Handover } from './follower.ts';
import { PREFIX } from './names.ts';
import type { SimLog } from './sim-log.ts';
import type { GroupRules } from './sim-subscription.ts';
import type { World } from './world.ts';

/** What holds for all members of one store's group, and whether what they commit was dealt with. */
export class FollowerGroup implements GroupRules {
  readonly handover: Handover;
  readonly #world: World;
  readonly #follower: Follower;
  readonly #log: SimLog;
  readonly #deadLetters: DeadLetters;

  constructor(world: World, follower: Follower, log: SimLog, deadLetters: DeadLetters) {
    this.#world = world;
    this.#follower = follower;
    this.#log = log;
    this.#deadLetters = deadLetters;
    this.handover = follower.handover;
  }

  /** What is committed stands in the store, or something newer does, or it is among the dead letters. */
  readonly onCommit = async (group: MemoryGroup, commit: () => Promise<void>): Promise<void> => {
    const before = new Map(group.committed);
    await commit();
    for (const [place, next] of group.committed) {
      for (let offset = before.get(place) ?? 0; offset < next; offset++)
        this.#requireDealtWith(place, offset);
    }
  };

  #requireDealtWith(place: string, offset: number): void {
    const [kind, partition] = place.split('/') as [Kind, string];
    const record = { kind, partition: Number(partition), offset };
    const stored = this.#log.broker.topics.get(topicOf(PREFIX, kind))?.[record.partition]?.[offset];
    if (stored === undefined || this.#deadLetters.has(this.#follower.name, record)) return;
    let change: Change;
    try {
      change = testCodec.decode(kind, stored.key.toString(), stored.value);
    } catch {
      this.#world.violated(
        'undealt',
        `${this.#follower.name} committed ${place} ${offset}, which nobody can read`,
      );
      return;
    }
    const held = this.#follower.held(identify(change));
    if (held !== undefined && held.version >= change.version) return;
    this.#world.violated(
      'undealt',
      `${this.#follower.name} committed ${kind} ${change.key} version ${change.version} (${place} ${offset}), and holds ${held?.version ?? 'nothing'}`,
    );
  }
}
