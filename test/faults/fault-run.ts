import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../cli/config.ts';
import { routesOf } from '../../cli/routes.ts';
import { randomFor } from '../../society/generator/random.ts';
import type { Evidence } from '../live/evidence.ts';
import { readHistory } from '../live/history.ts';
import { ORIGIN_STORES, type OriginStore } from '../live/key-space.ts';
import { type LivePlaces, openLivePlaces } from '../live/live-places.ts';
import { comeToRest, finish, gather, prepareTargets } from '../live/live-run.ts';
import { type Failure, Lives } from '../live/lives.ts';
import { judge, type Verdict } from '../live/oracle.ts';
import type { Role, Slot } from '../live/plan.ts';
import { startSampler } from '../live/sampler.ts';
import { WAYS_OF } from '../live/writer-options.ts';
import { testStack } from '../support/stack.ts';
import type { Fault, OwnServers, World } from './fault.ts';
import { openLogMeddler } from './log-meddler.ts';
import { openNetwork } from './network.ts';
import { isPassing } from './passing.ts';
import { openProgress } from './progress.ts';

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
  /** Of all followers together. */
  readonly deadLetters: number;
  readonly expectedDeadLetters: number;
}

/** Before the first fault, and between one and the next. */
const CALM_MS = 1_500;
/** So many of each store show that its application is at work (again). */
const SOME_WRITES = 10;
const WRITES_WITHIN_MS = 90_000;

/**
 * Everything is at work, as in test/live, but through a network that can be broken; the faults strike one after the other,
 * each after the one before has been overcome. Then everything is let come to rest, and judged by the same oracle.
 */
export async function runFaults(options: FaultOptions): Promise<FaultReport> {
  const startedMs = performance.now();
  const { seed, signal, faults } = options;
  const failures: Failure[] = [];
  const struck: Struck[] = [];
  const places = await openLivePlaces();
  const { migration } = places;
  const network = await openNetwork(migration.configFile, migration.folder);
  const random = randomFor(seed, 'world', 0);
  const meddler = await openLogMeddler(testStack().kafka.brokers, migration.name, random);
  const followers = routesOf(readConfig(migration.configFile, {})).followers;
  const progress = await openProgress(testStack().kafka.brokers, migration.name, followers);
  try {
    await prepareTargets(places, failures);
    const sampler = startSampler(await places.targets(), seed);
    const living = slots().map((slot) => ({ slot, lives: startLives(slot) }));
    const world: World = {
      places,
      network,
      meddler,
      random,
      servers: options.servers,
      lives: (role) => living.filter(({ slot }) => slot.role === role).map(({ lives }) => lives),
      pause: (ms) => sleep(ms, undefined, { signal }),
    };
    try {
      await everybodyWrites();
      await world.pause(CALM_MS);
      for (const fault of faults) struck.push(await overcome(fault, world));
    } finally {
      await comeToRest(living, places, failures, sampler);
    }
    await finish(places, failures);
    const evidence = await gather(places, sampler);
    return {
      seed,
      struck,
      seconds: (performance.now() - startedMs) / 1_000,
      samples: sampler.samples,
      evidence,
      verdict: judge(evidence),
      failures,
      deadLetters: await deadLettersOf(places),
      expectedDeadLetters: expectedDeadLetters(),
    };
  } finally {
    await Promise.allSettled([progress.close(), meddler.close(), network.close()]);
    await places.close();
  }

  async function overcome(fault: Fault, world: World): Promise<Struck> {
    options.onProgress?.(`${fault.name} …`);
    const began = performance.now();
    await fault.strike(world);
    const over = performance.now();
    await everybodyWrites();
    await progress.caughtUp(signal);
    const recovered = performance.now();
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

  function expectedDeadLetters(): number {
    const ofAgents = [...followers.values()].filter((kinds) => kinds.includes('agent')).length;
    return faults.reduce((sum, { deadLetters = 0 }) => sum + deadLetters * ofAgents, 0);
  }

  function startLives(slot: Slot): Lives {
    const { origin } = slot;
    return new Lives(slot, {
      places,
      configFile: network.configFile,
      isPassing: (code) => isPassing(slot.role, code),
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
        failures.push(failure);
        options.onProgress?.(
          `${failure.role} ${failure.store ?? ''} ended with ${failure.code}: ${failure.stderr.slice(-600)}`,
        );
      },
    });
  }
}

/** As an operator counts them. */
async function deadLettersOf({ migration }: LivePlaces): Promise<number> {
  const { code, stdout, stderr } = await migration.cli('dead-letters', 'list', '--all', '--json');
  if (code !== 0) throw new Error(`dead-letters list ended with ${code}: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '').length;
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
