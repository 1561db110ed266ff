import { setTimeout as sleep } from 'node:timers/promises';
import { type Log, lagOf, type Publisher } from '../../log/log.ts';
import type { Change } from '../../schemas/change.ts';
import { createRandom, type Random } from '../simulation/random.ts';

/** A process that is a member of the group. */
export interface StormMember {
  /** Resolves when it follows. */
  readonly joined: Promise<void>;
  /** Has it leave, one way or the other, and answers how many records it has dealt with in its life. */
  leave(how: Leaving): Promise<number>;
  /** Ends it at once, whatever state it is in, and waits until it is gone; it may be gone already. */
  end(): Promise<void>;
}

/** `killed` is kill -9: it says nothing any more, so what it had done is read right before. */
export type Leaving = 'stopped' | 'killed';

export interface StormOptions {
  readonly seed: number;
  readonly seconds: number;
  /** One joins or leaves every so often. */
  readonly everyMs: number;
  readonly leaving: Leaving;
  readonly maxMembers: number;
  readonly changesPerSecond: number;
  readonly keys: number;
  readonly log: Log;
  readonly group: string;
  readonly changeAt: (key: number, version: number) => Change;
  readonly start: () => Promise<StormMember>;
  /** What the store has: the version of each key. */
  readonly held: () => Promise<ReadonlyMap<string, number>>;
  readonly say?: (text: string) => void;
}

export interface StormReport {
  readonly published: number;
  /** By all members together, in their lives. */
  readonly consumed: number;
  readonly joins: number;
  readonly leaves: number;
  /** Keys whose newest version is not in the store. */
  readonly lost: readonly string[];
  /** From the last change to its commit. */
  readonly drainSeconds: number;
}

const FIRST_VERSION = 1_700_000_000_000_000;
const TICK_MS = 50;
/** So that whoever leaves leaves something to somebody. */
const MIN_MEMBERS = 2;
const DRAIN_WITHIN_MS = 120_000;

/** How many of the records were dealt with more than once, of all: 0.01 is one in a hundred. */
export function redeliveredShare({ published, consumed }: StormReport): number {
  return (consumed - published) / published;
}

/**
 * Writes to few keys again and again, while members of the group come and go; then waits until all is applied, and looks. However it
 * ends, no member is left.
 */
export async function rebalanceStorm(options: StormOptions): Promise<StormReport> {
  const all: StormMember[] = [];
  const start = async (): Promise<StormMember> => {
    const member = await options.start();
    all.push(member);
    return member;
  };
  try {
    return await storm({ ...options, start });
  } finally {
    await Promise.all(all.map((member) => member.end()));
  }
}

async function storm(options: StormOptions): Promise<StormReport> {
  const { seed, seconds, log } = options;
  const random = createRandom(seed);
  const storming = new AbortController();
  const publisher = await log.publisher();
  const newest = new Map<string, number>();
  let membership: Membership;
  try {
    const first: StormMember[] = [];
    for (let count = 0; count < MIN_MEMBERS; count++) {
      const member = await options.start();
      await member.joined;
      first.push(member);
    }
    const writing = write(options, publisher, newest, storming.signal);
    const coming = comeAndGo(options, random, first, storming.signal);
    try {
      await Promise.race([sleep(seconds * 1_000), writing, coming]);
    } finally {
      storming.abort();
      // Nobody writes and nobody is started behind our back; what went wrong is thrown below.
      await Promise.allSettled([writing, coming]);
    }
    await writing;
    membership = await coming;
  } finally {
    await publisher.close();
  }
  return drained(options, newest, membership);
}

async function drained(
  { log, group, held: heldNow }: StormOptions,
  newest: ReadonlyMap<string, number>,
  { members, consumed, joins, leaves }: Membership,
): Promise<StormReport> {
  const endedMs = performance.now();
  let positions = await log.positions(['agent'], group);
  for (
    ;
    positions.some((position) => lagOf(position) > 0);
    positions = await log.positions(['agent'], group)
  ) {
    if (performance.now() - endedMs > DRAIN_WITHIN_MS) throw new Error('The group does not get to the end.');
    await sleep(100);
  }
  const drainSeconds = (performance.now() - endedMs) / 1_000;
  const held = await heldNow();
  const lasts = await Promise.all(members.map((member) => member.leave('stopped')));
  return {
    // Its places in the log, so that what the producer doubled is not counted as redelivered.
    published: positions.reduce((sum, { start, end }) => sum + end - start, 0),
    consumed: lasts.reduce((sum, each) => sum + each, consumed),
    joins,
    leaves,
    lost: Array.from(newest).flatMap(([key, version]) => (held.get(key) === version ? [] : [key])),
    drainSeconds,
  };
}

async function write(
  { changesPerSecond, keys, changeAt }: StormOptions,
  publisher: Publisher,
  newest: Map<string, number>,
  stop: AbortSignal,
): Promise<void> {
  const startedMs = performance.now();
  let written = 0;
  while (!stop.aborted) {
    const due = Math.floor(((performance.now() - startedMs) / 1_000) * changesPerSecond);
    const changes = Array.from({ length: due - written }, (_, index) =>
      changeAt((written + index) % keys, FIRST_VERSION + written + index),
    );
    written = due;
    await publisher.publish(changes);
    for (const { key, version } of changes) newest.set(key, version);
    await sleep(TICK_MS);
  }
}

interface Membership {
  readonly members: readonly StormMember[];
  /** By those that have left. */
  readonly consumed: number;
  readonly joins: number;
  readonly leaves: number;
}

async function comeAndGo(
  { everyMs, leaving, maxMembers, start, say = () => {} }: StormOptions,
  random: Random,
  members: StormMember[],
  stop: AbortSignal,
): Promise<Membership> {
  let [joins, leaves] = [members.length, 0];
  const left: Promise<number>[] = [];
  for (let turn = 1; ; turn++) {
    await sleep(everyMs, undefined, { signal: stop }).catch(() => {});
    if (stop.aborted) break;
    const mayLeave = members.length > MIN_MEMBERS;
    if (mayLeave && (members.length >= maxMembers || random.chance(0.5))) {
      const [member] = members.splice(random.between(0, members.length - 1), 1);
      if (member !== undefined) {
        const leave = member.leave(leaving);
        // Looked at when the storm is over.
        leave.catch(() => {});
        left.push(leave);
      }
      leaves += 1;
      say(`${turn}: one leaves, ${members.length} stay`);
    } else {
      const member = await start();
      member.joined.catch(() => {});
      members.push(member);
      joins += 1;
      say(`${turn}: one comes, ${members.length} are there`);
    }
  }
  const done = await Promise.all(left);
  return { members, consumed: done.reduce((sum, each) => sum + each, 0), joins, leaves };
}
