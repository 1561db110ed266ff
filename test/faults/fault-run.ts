import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../cli/config.ts';
import { routesOf } from '../../cli/routes.ts';
import { messageOf } from '../../core/errors.ts';
import { lookOnlyWhileRequestsWait } from '../../log/kafka/request-queue.ts';
import { randomFor } from '../../society/generator/random.ts';
import type { LogEntry } from '../live/evidence.ts';
import { ORIGIN_STORES, type OriginStore } from '../live/key-space.ts';
import type { Failure } from '../live/life.ts';
import { openLivePlaces } from '../live/live-places.ts';
import { catchUp, comeToRest, finish, gather, prepareTargets } from '../live/live-run.ts';
import { Lives } from '../live/lives.ts';
import { judge } from '../live/oracle.ts';
import type { Role, Slot } from '../live/plan.ts';
import { readLog } from '../live/read-log.ts';
import { startSampler } from '../live/sampler.ts';
import { WAYS_OF } from '../live/writer-options.ts';
import { testStack } from '../support/stack.ts';
import { everybodyWrites } from './everybody-writes.ts';
import type { Fault, OwnServers, World } from './fault.ts';
import type { FaultReport, SamplerFailure, Struck } from './fault-outcome.ts';
import { openFollowerCounts } from './follower-counts.ts';
import { openLogMeddler } from './log-meddler.ts';
import { openNetwork, SERVERS } from './network.ts';
import { isPassing } from './passing.ts';
import { openProgress } from './progress.ts';
import { Reach } from './reach.ts';
import { replay } from './replay.ts';

export interface FaultOptions {
  readonly faults: readonly Fault[];
  readonly seed: number;
  /** Writes a second to each store. */
  readonly ratePerSecond: number;
  readonly servers?: OwnServers;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Before the first fault, and between one and the next. */
const CALM_MS = 1_500;
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
  const reach = new Reach();
  const samplerFailures: SamplerFailure[] = [];
  const counts = await openFollowerCounts(slots().filter(({ role }) => role === 'run').length, signal);
  const unused = [...counts.addresses];
  try {
    await prepareTargets(places, failures);
    // Servers that are killed are not read, and are read to the last key when all is at rest.
    const sampler = startSampler(await places.targets(), seed, (target, error) => {
      const isDown = SERVERS.some((server) => target === `target.${server}` && reach.isDown(server));
      if (!isDown) samplerFailures.push({ target, message: messageOf(error) });
    });
    const living = slots().map((slot) => ({ slot, lives: startLives(slot) }));
    const world: World = {
      places,
      network,
      meddler,
      random,
      followers,
      progress,
      counts,
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
      await everybodyWrites(places, signal);
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
    const { samples, samplesOf } = sampler;
    const sampled = { samples, samplesOf, samplerFailures };
    return { seed, struck, seconds, ...sampled, evidence: whole, verdict, failures, consumed };
  } finally {
    await Promise.allSettled([progress.close(), meddler.close(), network.close()]);
    await places.close();
  }

  async function overcome(fault: Fault, world: World): Promise<Struck> {
    options.onProgress?.(`${fault.name} …`);
    present = fault;
    const began = performance.now();
    reach.begin(fault.outOfReach);
    const askForProof = await fault.strike(world).finally(() => reach.end());
    const over = performance.now();
    await everybodyWrites(places, signal);
    await progress.caughtUp(signal);
    const recovered = performance.now();
    present = undefined;
    const proof = String(await askForProof());
    const result = {
      fault: fault.name,
      seconds: (over - began) / 1_000,
      recoverySeconds: (recovered - over) / 1_000,
      proof,
    };
    options.onProgress?.(`${fault.name}: recovered after ${result.recoverySeconds.toFixed(1)} s; ${proof}`);
    await world.pause(CALM_MS);
    return result;
  }

  function startLives(slot: Slot): Lives {
    const { origin, role } = slot;
    const passes = (code: number | null, said: string): boolean =>
      isPassing({ role, store: origin, code, said, present, reach });
    // Each process that follows has an address of its own, at which its successors answer, too.
    const metricsAddress = role === 'run' ? unused.pop() : undefined;
    return new Lives(slot, {
      places,
      configFile: network.configFile,
      isPassing: passes,
      backfillRate: BACKFILL_RATE,
      environment: () => ({
        ...Object.fromEntries(environment),
        ...(metricsAddress !== undefined && { CHANGEOVER_RUN_METRICS_ADDRESS: metricsAddress }),
      }),
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
        const isInOrder = passes(failure.code, failure.stderr);
        if (!isInOrder) failures.push(failure);
        options.onProgress?.(
          `${failure.role} ${failure.store ?? ''} ended with ${failure.code}${isInOrder ? ', as it may' : ''}: ${failure.stderr.slice(-600)}`,
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
