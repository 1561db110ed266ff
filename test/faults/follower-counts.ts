import { setTimeout as sleep } from 'node:timers/promises';
import { freeAddress, readMetrics } from '../support/reconfigure.ts';

const COUNTERS = ['consumed', 'stale'] as const;
export type Counter = (typeof COUNTERS)[number];

/** What the followers' own metrics say, read from each process while it lives. */
export interface FollowerCounts {
  /** Where the processes are to answer, one address each. */
  readonly addresses: readonly string[];
  /** Of each process that follows now. */
  read(): Promise<Reading>;
  /**
   * How much more it is now, of all processes together: waits until it is as much as was expected, a while at most, because a process
   * counts a batch after it has committed it. A process that has been started again since has counted from 0.
   */
  increase(since: Reading, counter: Counter, store: string, expected: number): Promise<number>;
}

export type Reading = readonly ReadonlyMap<string, number>[];

const READABLE_WITHIN_MS = 60_000;
const COUNTED_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 250;

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
  return {
    addresses,
    read,
    async increase(since, counter, store, expected) {
      const untilMs = performance.now() + COUNTED_WITHIN_MS;
      for (;;) {
        const more = increaseOf(since, await read(), `changeover_${counter}_total{store="target.${store}"}`);
        if (more >= expected || performance.now() > untilMs) return more;
        await sleep(LOOK_EVERY_MS, undefined, { signal });
      }
    },
  };
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
