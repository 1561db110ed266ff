import { setTimeout as sleep } from 'node:timers/promises';
import { freeAddress, readMetrics } from '../support/reconfigure.ts';

/** What became of the records that a follower has dealt with and committed. */
export interface Counted {
  readonly consumed: number;
  readonly applied: number;
  readonly stale: number;
  /** Times that somebody lost the membership in the group, of all followers: what had not been committed then comes once more. */
  readonly losses: number;
}

/** What the followers' own metrics say, read from each process while it lives. */
export interface FollowerCounts {
  /** Where the processes are to answer, one address each. */
  readonly addresses: readonly string[];
  /** Of each process that follows now, when none of them has counted anything for a moment. */
  settled(): Promise<Reading>;
  /**
   * How much more it is now, of all processes together: waits until so many have been consumed, a while at most, because a process
   * counts a batch after it has committed it, and then until none counts any more. A process that has been started again since has
   * counted from 0.
   */
  increase(since: Reading, store: string, expected: number): Promise<Counted>;
}

export type Reading = readonly ReadonlyMap<string, number>[];

const READABLE_WITHIN_MS = 60_000;
const COUNTED_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 250;
/** Of a busy machine, too: between the commit of a batch and its count there is nothing to wait for. */
const SETTLED_AFTER_MS = 1_000;
const LOSSES = ['member-lost', 'watchdog', 'lease-expired'] as const;

export async function openFollowerCounts(
  processes: number,
  signal: AbortSignal | undefined,
): Promise<FollowerCounts> {
  const addresses: string[] = [];
  for (let count = 0; count < processes; count++) addresses.push(await addressOfItsOwn());

  /** One that has just been started does not answer yet. */
  async function readOne(address: string): Promise<ReadonlyMap<string, number>> {
    const untilMs = performance.now() + READABLE_WITHIN_MS;
    for (;;) {
      try {
        return await readMetrics(address);
      } catch (error) {
        if (performance.now() > untilMs)
          throw new Error(`A follower does not answer on ${address}, for ${READABLE_WITHIN_MS / 1_000} s.`, {
            cause: error,
          });
        await sleep(LOOK_EVERY_MS, undefined, { signal });
      }
    }
  }

  const read = (): Promise<Reading> => Promise.all(addresses.map(readOne));
  const settled = async (): Promise<Reading> => {
    for (let last = await read(); ; ) {
      await sleep(SETTLED_AFTER_MS, undefined, { signal });
      const now = await read();
      if (consumedIn(now) === consumedIn(last)) return now;
      last = now;
    }
  };
  return {
    addresses,
    settled,
    async increase(since, store, expected) {
      const more = (after: Reading, name: string): number =>
        increaseOf(since, after, `changeover_${name}_total{store="target.${store}"}`);
      const untilMs = performance.now() + COUNTED_WITHIN_MS;
      while (more(await read(), 'consumed') < expected && performance.now() < untilMs)
        await sleep(LOOK_EVERY_MS, undefined, { signal });
      const after = await settled();
      const losses = namesIn(after, 'changeover_group_events_total').filter((name) =>
        LOSSES.some((event) => name.includes(`event="${event}"`)),
      );
      return {
        consumed: more(after, 'consumed'),
        applied: more(after, 'applied'),
        stale: more(after, 'stale'),
        losses: losses.reduce((sum, name) => sum + increaseOf(since, after, name), 0),
      };
    },
  };
}

function namesIn(reading: Reading, begin: string): readonly string[] {
  return [...new Set(reading.flatMap((each) => [...each.keys()]))].filter((name) => name.startsWith(begin));
}

function consumedIn(reading: Reading): number {
  return namesIn(reading, 'changeover_consumed_total').reduce(
    (sum, name) => sum + increaseOf([], reading, name),
    0,
  );
}

export function increaseOf(before: Reading, after: Reading, name: string): number {
  return after.reduce((sum, each, index) => {
    const [was, is] = [before[index]?.get(name) ?? 0, each.get(name) ?? 0];
    return sum + (is < was ? is : is - was);
  }, 0);
}

/** A part of the loopback network from which no client connects, so that the port is still free when a process is started again. */
async function addressOfItsOwn(): Promise<string> {
  return (await freeAddress()).replace('127.0.0.1', '127.0.0.2');
}
