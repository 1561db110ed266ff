import { messageOf } from '../../core/errors.ts';
import { lagOf } from '../../log/log.ts';
import { backfillProcess, memberProcess, type Places, relayProcess } from './actors.ts';
import type { Bug } from './bugs.ts';
import { DeadLetters } from './dead-letters.ts';
import { scheduleFaults } from './faults.ts';
import type { Follower, Handover } from './follower.ts';
import { FollowerGroup } from './follower-group.ts';
import { GuardedFollower } from './guarded-follower.ts';
import { History } from './history.ts';
import { judge } from './oracle.ts';
import { Origin } from './origin.ts';
import { planOf } from './plan.ts';
import { Process } from './process.ts';
import { makeLog } from './sim-log.ts';
import { UnguardedFollower } from './unguarded-follower.ts';
import { type Violation, World } from './world.ts';
import { Acknowledged, Tokens, writerProcess } from './writer.ts';

export interface SimulateOptions {
  readonly bug?: Bug | undefined;
  readonly keepTrace?: boolean;
  /** Of the store without a guard. */
  readonly handover?: Handover;
}

export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly writes: number;
  readonly records: number;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
}

const LOOK_EVERY_MS = 250;
/** So long after the last fault everything must have come to rest. */
const REST_WITHIN_MS = 90_000;

/** One run: a world that follows from its seed, to its end. */
export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  const { bug, keepTrace = false, handover = 'settled' } = options;
  const world = new World(seed, planOf(seed), bug, keepTrace);
  // Jitter of the product's back-off is asked for here too.
  const ownRandom = Math.random;
  Math.random = world.random.next;
  // It would end the process of whoever left it.
  const unhandled = (error: unknown): void =>
    world.violated('unhandled', `nobody waits for: ${messageOf(error)}`);
  process.on('unhandledRejection', unhandled);
  try {
    return await runIn(world, seed, handover);
  } finally {
    Math.random = ownRandom;
    process.off('unhandledRejection', unhandled);
  }
}

/** The seeds in which a planted bug has to be found. */
const SEEDS_TO_FIND = 500;

export async function firstFinding(bug: Bug): Promise<Outcome | undefined> {
  for (let seed = 1; seed <= SEEDS_TO_FIND; seed++) {
    const outcome = await simulate(seed, { bug });
    if (outcome.violations.length > 0) return outcome;
  }
  return undefined;
}

async function runIn(world: World, seed: number, handover: Handover): Promise<Outcome> {
  const { plan } = world;
  world.say('world', JSON.stringify({ seed, ...plan }));
  const history = new History();
  const log = await makeLog(world);
  const origin = new Origin(world, history);
  await origin.fill(history);
  const deadLetters = new DeadLetters();
  const places: Places = { log, origin, history, deadLetters };
  const followers: readonly Follower[] = [
    new GuardedFollower(world, history),
    new UnguardedFollower(world, history, world.bug === 'work-not-awaited' ? 'leased' : handover),
  ];
  const acknowledged = new Acknowledged();
  const tokens = new Tokens();

  const make = (name: string, run: ConstructorParameters<typeof Process>[0]['run'], endless: boolean) =>
    new Process({ world, name, run, endless, mayFail: name === 'backfill' });
  const writers = Array.from({ length: plan.writers }, (_, index) => {
    const state = { tokens, acknowledged, left: plan.writesPerWriter };
    return make(`writer-${index}`, (start) => writerProcess(start, places, state), false);
  });
  const relays = [0, 1].map((index) => make(`relay-${index}`, (start) => relayProcess(start, places), true));
  const runs = { finished: 0 };
  const backfill = make('backfill', (start) => backfillProcess(start, places, runs), false);
  const members = followers.flatMap((follower) => {
    const group = new FollowerGroup(world, follower, log, deadLetters);
    return Array.from({ length: plan.members }, (_, index) =>
      make(
        `${follower.name.slice(7)}-${index}`,
        (start) => memberProcess(start, places, follower, group),
        true,
      ),
    );
  });

  const processes = [...writers, ...relays, backfill, ...members];
  for (const process of processes) {
    world.timeline.after(process === backfill ? plan.backfillStartsMs : world.random.delayMs(100), () =>
      process.start(),
    );
  }
  scheduleFaults({ world, broker: log.broker, processes });

  let over = false;
  const look = async (): Promise<void> => {
    const atRest = [...writers, backfill].every(({ isDone }) => isDone) && origin.outbox.items.length === 0;
    if (!world.faultsAreOn && atRest && (await lagsOf(followers, places)) === 0) {
      over = true;
    } else if (world.nowMs > plan.faultsEndMs + REST_WITHIN_MS) {
      world.violated('stuck', `not at rest: ${await standOf(processes, followers, places)}`);
      over = true;
    } else world.timeline.after(LOOK_EVERY_MS, () => void look());
  };
  world.timeline.at(plan.faultsEndMs, () => void look());
  await world.timeline.run(() => over || world.violations.length > 0);
  if (world.violations.length === 0) judge({ world, history, log, origin, followers });

  const records = [...log.broker.topics.values()].flat().reduce((sum, { length }) => sum + length, 0);
  return {
    seed,
    hash: world.trace.hash,
    steps: world.timeline.steps,
    virtualMs: Math.round(world.nowMs),
    writes: acknowledged.count,
    records,
    violations: world.violations,
    trace: world.trace.lines ?? [],
  };
}

async function lagsOf(followers: readonly Follower[], { log }: Places): Promise<number> {
  const positions = await Promise.all(followers.map(({ kinds, name }) => log.inner.positions(kinds, name)));
  return positions.flat().reduce((sum, position) => sum + lagOf(position), 0);
}

async function standOf(
  processes: readonly Process[],
  followers: readonly Follower[],
  places: Places,
): Promise<string> {
  const working = processes.filter(({ isDone }) => !isDone).map(({ name }) => name);
  return `outbox ${places.origin.outbox.items.length}, lag ${await lagsOf(followers, places)}, working: ${working.join(', ')}`;
}
