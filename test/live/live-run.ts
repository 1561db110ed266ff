import { setTimeout as sleep } from 'node:timers/promises';
import { unlessAborted } from '../../core/service.ts';
import { testStack } from '../support/stack.ts';
import { backfillFlags } from './child.ts';
import type { Evidence } from './evidence.ts';
import { firstStates } from './first-state.ts';
import { readHistory, writesOf } from './history.ts';
import { ORIGIN_STORES, type OriginStore } from './key-space.ts';
import { type Failure, type Killed, UNREACHABLE } from './life.ts';
import { type LivePlaces, openLivePlaces } from './live-places.ts';
import { Lives } from './lives.ts';
import { judge, type Verdict } from './oracle.ts';
import { makePlan, type Slot } from './plan.ts';
import { readLog } from './read-log.ts';
import { type Sampler, startSampler } from './sampler.ts';
import { WAYS_OF, type Way } from './writer-options.ts';

export interface LiveOptions {
  /** Kills at least; each point of each store at least once. */
  readonly kills: number;
  readonly seed: number;
  /** Writes a second to each store. */
  readonly ratePerSecond: number;
  readonly ways?: Partial<Record<OriginStore, readonly Way[]>>;
  readonly onProgress?: (text: string) => void;
  /** Ends everything that was started, and the run with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface LiveReport {
  readonly options: LiveOptions;
  readonly seconds: number;
  readonly kills: readonly Killed[];
  readonly samples: number;
  /** Of each target. */
  readonly samplesOf: ReadonlyMap<string, number>;
  readonly evidence: Evidence;
  readonly verdict: Verdict;
  /** Processes that ended with an error of their own, and commands at the end that did not succeed. */
  readonly failures: readonly Failure[];
}

const DRAIN_WITHIN_MS = 60_000;
/** Of a command at the end, while a server is too busy. */
const MOST_ATTEMPTS = 5;

/**
 * Writers, relays, followers and a backfill that begins again and again, in processes of their own, each killed and started
 * again according to a plan that follows from the seed; then everything is let come to rest, and judged.
 */
export async function runLive(options: LiveOptions): Promise<LiveReport> {
  const startedMs = performance.now();
  const places = await openLivePlaces();
  const kills: Killed[] = [];
  const failures: Failure[] = [];
  try {
    await prepareTargets(places, failures);
    const targets = await places.targets();
    const plan = makePlan(options.kills, options.seed);
    const sampler = startSampler(targets, options.seed);
    const lives = plan.map((slot) => ({ slot, lives: startLives(slot) }));
    try {
      const killed = Promise.all(lives.map(({ lives: each }) => each.killed));
      await (options.signal === undefined ? killed : unlessAborted(killed, options.signal));
    } finally {
      await comeToRest(lives, places, failures, sampler);
    }
    await finish(places, failures);
    const evidence = await gather(places, sampler);
    const verdict = judge(evidence);
    const seconds = (performance.now() - startedMs) / 1_000;
    const { samples, samplesOf } = sampler;
    return { options, seconds, kills, samples, samplesOf, evidence, verdict, failures };
  } finally {
    await places.close();
  }

  function startLives(slot: Slot): Lives {
    const { origin } = slot;
    return new Lives(slot, {
      places,
      writer: (incarnation) =>
        origin && {
          configFile: places.migration.configFile,
          store: origin,
          ways: options.ways?.[origin] ?? WAYS_OF[origin],
          seed: options.seed,
          incarnation,
          historyFile: places.historyFile(origin),
          ratePerSecond: options.ratePerSecond,
        },
      onKilled: (killed) => {
        kills.push(killed);
        options.onProgress?.(`${kills.length}: ${killed.store} ${killed.point}`);
      },
      onFailure: (failure) => {
        failures.push(failure);
        options.onProgress?.(
          `${failure.role} ${failure.store ?? ''} ended with ${failure.code}: ${failure.stderr.slice(-1_500)}`,
        );
      },
    });
  }
}

interface Living {
  readonly slot: Slot;
  readonly lives: Lives;
}

/** The writers stop, the relays empty the outboxes, then the others stop; whatever fails, nothing goes on. */
export async function comeToRest(
  living: readonly Living[],
  places: LivePlaces,
  failures: Failure[],
  sampler: Sampler,
): Promise<void> {
  const stop = (...roles: readonly string[]) =>
    Promise.all(living.filter(({ slot }) => roles.includes(slot.role)).map(({ lives }) => lives.stop()));
  const rest = stop('writer').then(() => drained(places, failures));
  const ends = [
    ...(await Promise.allSettled([rest])),
    ...(await Promise.allSettled([stop('writer', 'relay', 'backfill', 'run'), sampler.stop()])),
  ];
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

async function drained(places: LivePlaces, failures: Failure[]): Promise<void> {
  const startMs = performance.now();
  let waiting = await places.waiting();
  while (waiting > 0 && performance.now() - startMs < DRAIN_WITHIN_MS) {
    await sleep(200);
    waiting = await places.waiting();
  }
  if (waiting === 0) return;
  const stderr = `${waiting} entries are still in the outboxes after ${DRAIN_WITHIN_MS} ms`;
  failures.push({ role: 'relay', store: undefined, code: null, stderr });
}

/** So that there is something to read and to sample from the beginning. */
export async function prepareTargets(places: LivePlaces, failures: Failure[]): Promise<void> {
  await expectSuccess(places, failures, 'backfill', '--kinds', 'embedding');
  await catchUp(places, failures);
}

/** The followers to the end of the log. */
export function catchUp(places: LivePlaces, failures: Failure[]): Promise<void> {
  return expectSuccess(places, failures, 'run', '--until-caught-up');
}

/** What a user would do at the end: the backfill to its end, the followers to the end of the log, and a comparison. */
export async function finish(places: LivePlaces, failures: Failure[]): Promise<void> {
  await expectSuccess(places, failures, 'backfill');
  await catchUp(places, failures);
  await expectSuccess(places, failures, 'validate');
}

async function expectSuccess(
  { migration }: LivePlaces,
  failures: Failure[],
  command: 'backfill' | 'run' | 'validate',
  ...args: readonly string[]
): Promise<void> {
  const flags = command === 'backfill' ? backfillFlags(migration.configFile) : [];
  for (let attempt = 1; ; attempt++) {
    const { code, stdout, stderr } = await migration.cli(command, ...flags, ...args);
    if (code === 0) return;
    if (code === UNREACHABLE && attempt < MOST_ATTEMPTS) continue;
    const text = `${stderr}${stdout}`;
    if (code === UNREACHABLE) throw new Error(`\`${command}\` at the end does not reach a server: ${text}`);
    failures.push({ role: command, store: undefined, code, stderr: text });
    return;
  }
}

export async function gather(places: LivePlaces, { decreases }: Sampler): Promise<Evidence> {
  const { migration } = places;
  const writes = ORIGIN_STORES.flatMap((store) => writesOf(readHistory(places.historyFile(store))));
  const log = await readLog(testStack().kafka.brokers, migration.name);
  const targets = [];
  for (const { name, kinds, states } of await places.targets())
    targets.push({ name, kinds, states: await states() });
  return { writes, initial: firstStates(), log, targets, decreases };
}
