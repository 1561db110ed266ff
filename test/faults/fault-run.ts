import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../cli/config.ts';
import { routesOf } from '../../cli/routes.ts';
import { lookOnlyWhileRequestsWait } from '../../log/kafka/request-queue.ts';
import { randomFor } from '../../society/generator/random.ts';
import type { Evidence, LogEntry } from '../live/evidence.ts';
import { readHistory } from '../live/history.ts';
import { ORIGIN_STORES, type OriginStore } from '../live/key-space.ts';
import { openLivePlaces } from '../live/live-places.ts';
import { catchUp, comeToRest, finish, gather, prepareTargets } from '../live/live-run.ts';
import { type Failure, Lives } from '../live/lives.ts';
import { judge, type Verdict } from '../live/oracle.ts';
import type { Role, Slot } from '../live/plan.ts';
import { readLog } from '../live/read-log.ts';
import { startSampler } from '../live/sampler.ts';
import { WAYS_OF } from '../live/writer-options.ts';
import { testStack } from '../support/stack.ts';
import type { Fault, OwnServers, World } from './fault.ts';
import { openLogMeddler } from './log-meddler.ts';
import { openNetwork } from './network.ts';
import { isPassing } from './passing.ts';
import { openProgress } from './progress.ts';
import { type Consumed, replay } from './replay.ts';

export interface FaultOptions {
  readonly faults: readonly Fault[];
  readonly seed: number;
  /** Writes a second to each store. */
  readonly ratePerSecond: number;
  readonly servers?: OwnServers;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** One fault that has struck while everything was at work. */
export interface Struck {
  readonly fault: string;
  readonly seconds: number;
  /** From its end until every application could write and every follower had committed what was in the log then. */
  readonly recoverySeconds: number;
}

export interface FaultReport {
  readonly seed: number;
  readonly struck: readonly Struck[];
  readonly seconds: number;
  readonly samples: number;
  readonly evidence: Evidence;
  readonly verdict: Verdict;
  readonly failures: readonly Failure[];
  /** Of each follower, when it had read all of the log once more. */
  readonly consumed: readonly Consumed[];
}

/** Before the first fault, and between one and the next. */
const CALM_MS = 1_500;
/** So many of each store show that its application is at work (again). */
const SOME_WRITES = 10;
const WRITES_WITHIN_MS = 90_000;
/** Slow, because it is there all the time. */
const BACKFILL_RATE = 100;

/**
 * Everything is at work, as in test/live, but through a network that can be broken; the faults strike one after the other,
 * each after the one before has been overcome. Then everything is let come to rest, the log is read once more, and all is judged by the same oracle.
 */
export async function runFaults(options: FaultOptions): Promise<FaultReport> {
  // Clients of the tests' own would keep this process alive as the product's would.
  lookOnlyWhileRequestsWait();
  const startedMs = performance.now();
  const { seed, signal, faults } = options;
  const failures: Failure[] = [];
  const struck: Struck[] = [];
  const kept: LogEntry[] = [];
  const environment = new Map<string, string>();
  let present: Fault | undefined;
  const places = await openLivePlaces();
  const { migration } = places;
  const { brokers } = testStack().kafka;
  const network = await openNetwork(migration.configFile, migration.folder);
  const random = randomFor(seed, 'world', 0);
  const meddler = await openLogMeddler(brokers, migration.name, random);
  const followers = routesOf(readConfig(migration.configFile, {})).followers;
  const progress = await openProgress(brokers, migration.name, followers);
  try {
    await prepareTargets(places, failures);
    // Servers that are killed are not read, and are read to the last key when all is at rest.
    const sampler = startSampler(await places.targets(), seed, () => {});
    const living = slots().map((slot) => ({ slot, lives: startLives(slot) }));
    const world: World = {
      places,
      network,
      meddler,
      random,
      followers,
      environment,
      servers: options.servers,
      lives: (role, origin) =>
        living
          .filter(({ slot }) => slot.role === role && (origin === undefined || slot.origin === origin))
          .map(({ lives }) => lives),
      pause: (ms) => sleep(ms, undefined, { signal }),
      caughtUp: () => progress.caughtUp(signal),
      keepLog: async () => {
        kept.push(...(await readLog(brokers, migration.name)));
      },
    };
    try {
      await everybodyWrites();
      await progress.caughtUp(signal);
      await world.pause(CALM_MS);
      for (const fault of faults) struck.push(await overcome(fault, world));
    } finally {
      await comeToRest(living, places, failures, sampler);
    }
    await catchUp(places, failures);
    // Before the backfill at the end, which would mend what a follower has lost.
    const consumed = await replay(places, meddler, followers);
    await finish(places, failures);
    const { log, ...evidence } = await gather(places, sampler);
    const whole = { ...evidence, log: [...kept, ...log] };
    const seconds = (performance.now() - startedMs) / 1_000;
    const verdict = judge(whole);
    return { seed, struck, seconds, samples: sampler.samples, evidence: whole, verdict, failures, consumed };
  } finally {
    await Promise.allSettled([progress.close(), meddler.close(), network.close()]);
    await places.close();
  }

  async function overcome(fault: Fault, world: World): Promise<Struck> {
    options.onProgress?.(`${fault.name} …`);
    present = fault;
    const began = performance.now();
    await fault.strike(world);
    const over = performance.now();
    await everybodyWrites();
    await progress.caughtUp(signal);
    const recovered = performance.now();
    present = undefined;
    const result = {
      fault: fault.name,
      seconds: (over - began) / 1_000,
      recoverySeconds: (recovered - over) / 1_000,
    };
    options.onProgress?.(`${fault.name}: recovered after ${result.recoverySeconds.toFixed(1)} s`);
    await world.pause(CALM_MS);
    return result;
  }

  /** Resolves when every application has had some more of its writes acknowledged. */
  async function everybodyWrites(): Promise<void> {
    const untilMs = performance.now() + WRITES_WITHIN_MS;
    const acknowledged = (store: OriginStore): number =>
      readHistory(places.historyFile(store)).filter(({ event }) => event === 'acknowledged').length;
    const goals = new Map(ORIGIN_STORES.map((store) => [store, acknowledged(store) + SOME_WRITES]));
    for (const [store, goal] of goals) {
      while (acknowledged(store) < goal) {
        if (performance.now() > untilMs)
          throw new Error(`Nobody can write to ${store}, for ${WRITES_WITHIN_MS / 1_000} s.`);
        await sleep(200, undefined, { signal });
      }
    }
  }

  function startLives(slot: Slot): Lives {
    const { origin } = slot;
    return new Lives(slot, {
      places,
      configFile: network.configFile,
      isPassing: (code) => isPassing(slot.role, code, present),
      backfillRate: BACKFILL_RATE,
      environment: () => Object.fromEntries(environment),
      writer: (incarnation) =>
        origin && {
          configFile: network.configFile,
          store: origin,
          ways: WAYS_OF[origin],
          seed,
          incarnation,
          historyFile: places.historyFile(origin),
          ratePerSecond: options.ratePerSecond,
        },
      onKilled: () => {},
      onFailure: (failure) => {
        const passes = isPassing(failure.role, failure.code, present);
        if (!passes) failures.push(failure);
        options.onProgress?.(
          `${failure.role} ${failure.store ?? ''} ended with ${failure.code}${passes ? ', as it may' : ''}: ${failure.stderr.slice(-600)}`,
        );
      },
    });
  }
}

/** Two members of each group, so that partitions can move. */
function slots(): readonly Slot[] {
  const slot = (role: Role, origin?: OriginStore): Slot => ({ role, origin, kills: [] });
  return [
    slot('run'),
    slot('run'),
    slot('backfill'),
    ...ORIGIN_STORES.flatMap((store) => [slot('relay', store), slot('writer', store)]),
  ];
}
