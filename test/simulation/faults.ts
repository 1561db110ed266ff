import type { MemoryBroker } from '../../log/memory/broker.ts';
import { topicOf } from '../../schemas/kinds.ts';
import { GUARDED_STORE } from './guarded-follower.ts';
import { BROKER, PARTITIONS, PREFIX } from './names.ts';
import { ORIGIN } from './origin.ts';
import type { Process } from './process.ts';
import { UNGUARDED_STORE, type World } from './world.ts';

interface FaultsOptions {
  readonly world: World;
  readonly broker: MemoryBroker;
  readonly processes: readonly Process[];
}

const SERVERS = [ORIGIN, BROKER, GUARDED_STORE, UNGUARDED_STORE] as const;
/** What comes again is often what came just before. */
const RECENT_RECORDS = 6;
/** Clocks are set by hand, or by a service that finds them wrong: by seconds. */
const MOST_JUMP_US = 20_000_000;

/** Lets something go wrong every so often, until nothing does any more. */
export function scheduleFaults(options: FaultsOptions): void {
  const { world } = options;
  const next = (): void => {
    world.timeline.after(world.random.delayMs(world.plan.faultEveryMs), () => {
      if (!world.faultsAreOn) return;
      const faults = possible(options);
      if (faults.length > 0) world.random.pick(faults)();
      next();
    });
  };
  next();
}

function possible({ world, broker, processes }: FaultsOptions): readonly (() => void)[] {
  const { random, plan } = world;
  const { faults } = plan;
  const struck = processes.filter(({ name }) => name.startsWith(plan.struck));
  const some = (): Process => random.pick(struck);
  const put = (key: Buffer, value: Buffer, topic: string, partition: number): void => {
    const stored = broker.topics.get(topic);
    if (stored !== undefined)
      broker.append(stored, partition, { key, value, timestampMs: Math.trunc(world.nowMs) });
  };
  /** One member after the other, so that partitions go to another owner and come back. */
  const turnOver = (): void => {
    let afterMs = 0;
    for (const process of struck) {
      world.timeline.after(afterMs, () => process.evict());
      afterMs += random.delayMs(700);
    }
  };
  const replay = (): void => {
    const topic = topicOf(PREFIX, random.pick(plan.kinds));
    const partition = random.between(0, PARTITIONS - 1);
    const records = broker.topics.get(topic)?.[partition] ?? [];
    for (let left = random.between(1, 4); left > 0; left--) {
      const oldest = random.chance(0.5) ? Math.max(0, records.length - RECENT_RECORDS) : 0;
      const offset = random.between(oldest, records.length - 1);
      const record = records[offset];
      if (record === undefined) return;
      world.say(BROKER, `${topic} ${partition}: record ${offset} comes again`);
      put(record.key, record.value, topic, partition);
    }
  };
  return [
    ...(faults.crashes ? [() => some().crash()] : []),
    ...(faults.stalls ? [() => some().stall()] : []),
    ...(faults.orderlyStops ? [() => some().stopInOrder()] : []),
    ...(faults.evictions ? [() => some().evict(), turnOver] : []),
    ...(faults.storesDown
      ? [
          () => {
            const name = random.pick(SERVERS);
            const ms = random.delayMs(1_200);
            world.say(name, `is down for ${ms.toFixed(0)} ms`);
            world.server(name).downUntilMs = Math.min(world.nowMs + ms, plan.faultsEndMs);
          },
        ]
      : []),
    ...(faults.slowStores
      ? [
          () => {
            const name = random.pick(SERVERS);
            world.say(name, 'is slow');
            world.server(name).slowUntilMs = Math.min(world.nowMs + random.delayMs(1_000), plan.faultsEndMs);
          },
        ]
      : []),
    ...(faults.clockJumps
      ? [
          () => {
            world.originClockOffUs = random.between(-MOST_JUMP_US, MOST_JUMP_US);
            world.say(ORIGIN, `its clock is set off by ${world.originClockOffUs} µs`);
          },
        ]
      : []),
    ...(faults.replays ? [replay, replay, replay] : []),
    ...(faults.badBytes
      ? [
          () => {
            const topic = topicOf(PREFIX, random.pick(plan.kinds));
            world.say(BROKER, `${topic}: bytes that are no change`);
            put(
              Buffer.from('bad'),
              Buffer.from([0xc3, random.between(0, 255), 7]),
              topic,
              random.between(0, PARTITIONS - 1),
            );
          },
        ]
      : []),
  ];
}
