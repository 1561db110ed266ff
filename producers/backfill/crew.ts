import { retry } from '../../core/retry.ts';
import { runAll } from '../../core/service.ts';
import { Watchers } from '../../core/watchers.ts';
import type { WorkMember, WorkTask } from '../../log/log.ts';
import { eachTask } from './each-task.ts';
import { freshRange, type RangeFact, type RunFact, rangeSubject, writeRun, writerSubject } from './facts.ts';
import type { BackfillOptions } from './options.ts';
import {
  isOver,
  isPlanned,
  itemsThrough,
  plannedRanges,
  type RunState,
  readRun,
  withRanges,
} from './plan.ts';
import { isSameRange, isSettled, standingOf } from './range-standing.ts';
import { nameOf, parseTask, type RangeTask } from './range-task.ts';
import { crewOf, requireSameKinds } from './start-run.ts';

/** Moves one range from where it stands, and writes down how far it comes. */
export type MoveRange = (
  task: RangeTask & { readonly subject: string; readonly fact: RangeFact },
  signal: AbortSignal,
) => Promise<unknown>;

/** How often each process looks whether all is done. */
const LOOK_EVERY_MS = 400;
/** What is on the topic twice is moved once: so this may be wrong, and costs a question. */
const PUT_AGAIN_AFTER_MS = 60_000;
/** A log that is away is waited for. */
const PATIENT = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 100, maxDelayMs: 2_000 } as const;

/**
 * Moves the ranges of a run together with whatever other processes do so, until all are through, whoever moved them, and answers
 * how they stand. One of the crew plans the ranges and puts them on the work topic; each takes what comes to it. A range
 * is off the topic when all of it is in the log and written down as done; until then, whoever gets it goes on where
 * somebody has last written that it stood.
 */
export async function moveTogether(
  options: BackfillOptions,
  started: RunFact,
  move: MoveRange,
  signal: AbortSignal,
): Promise<RunState> {
  for (let run = started; ; ) {
    const state = await new Crew(options, run, move).work(signal);
    if (state.run.attempt === run.attempt) return state;
    // Everybody else was gone, this process too by what they knew; somebody has come and goes on.
    requireSameKinds(state.run, options.sources);
    run = state.run;
  }
}

class Crew {
  readonly #options: BackfillOptions;
  readonly #run: RunFact;
  readonly #move: MoveRange;
  /** Of the ranges that this process has put on the topic. */
  readonly #put = new Set<string>();
  /** By the range's name: those that are being moved here. */
  readonly #moving = new Map<string, Promise<void>>();
  readonly #watchers = new Watchers();
  /** What the facts said last, and since when. */
  #told = { text: '', atMs: 0 };

  constructor(options: BackfillOptions, run: RunFact, move: MoveRange) {
    this.#options = options;
    this.#run = run;
    this.#move = move;
  }

  async work(signal: AbortSignal): Promise<RunState> {
    const { log, parallelism } = this.#options;
    const member = await log.work.join(crewOf(this.#run));
    const over = new AbortController();
    const end = Promise.withResolvers<RunState>();
    const watching = {
      name: 'the run',
      run: async (stop: AbortSignal): Promise<void> => {
        end.resolve(await this.#watch(member, stop));
        over.abort();
      },
    };
    const moving = {
      name: 'the ranges',
      run: (stop: AbortSignal): Promise<void> =>
        eachTask(member.tasks.bind(member), parallelism, (task, stopAll) => this.#do(task, stopAll), stop),
    };
    try {
      await runAll([watching, moving], AbortSignal.any([signal, over.signal]));
      signal.throwIfAborted();
    } catch (error) {
      // What was under way is written down by now: whoever gets it goes on behind it.
      await member.close();
      throw error;
    }
    // Nobody waits for what this member had, so nobody waits until it has left.
    member.close().catch(() => {});
    return end.promise;
  }

  /** Until the attempt is over, or another has begun. */
  async #watch(member: WorkMember, stop: AbortSignal): Promise<RunState> {
    for (;;) {
      const over = new AbortController();
      const news = [this.#watchers.changed(over.signal), member.changed(over.signal)];
      const state = await this.#read(stop);
      for (const kind of this.#run.kinds) this.#options.onStanding?.(kind, itemsThrough(state, kind));
      if (state.run.attempt !== this.#run.attempt || isOver(state)) return state;
      if (member.leads) await this.#lead(member, state);
      await this.#pause(news, over, stop);
    }
  }

  /** Sees to it that every range that is not through is on the topic; some may be there already, put by whoever led before. */
  async #lead(member: WorkMember, state: RunState): Promise<void> {
    const { log, sources, parallelism } = this.#options;
    let { run } = state;
    if (!isPlanned(run)) {
      run = await withRanges(run, sources, Math.max(parallelism, log.work.lots));
      if (!member.leads) return;
      await writeRun(log.control, run);
    }
    if (this.#standsStill(state)) this.#put.clear();
    const items = plannedRanges({ ...state, run }).flatMap(({ kind, number, range, standing }, lot) => {
      if (isSettled(standing, run.attempt) || this.#put.has(nameOf({ kind, number, range }))) return [];
      return [{ lot, body: { kind, number, range } }];
    });
    await log.work.write(crewOf(run), items);
    for (const { body } of items) this.#put.add(nameOf(body));
  }

  /** Whether nobody has told of anything for so long that a range may have fallen between two plans, or two leaders. */
  #standsStill({ run, ranges }: RunState): boolean {
    const nowMs = this.#options.clock.elapsedMs();
    const told = JSON.stringify([run.ranges, [...ranges]]);
    if (told !== this.#told.text) this.#told = { text: told, atMs: nowMs };
    const isStill = this.#moving.size === 0 && nowMs - this.#told.atMs > PUT_AGAIN_AFTER_MS;
    if (isStill) this.#told = { text: told, atMs: nowMs };
    return isStill;
  }

  async #do(task: WorkTask, stop: AbortSignal): Promise<void> {
    const range = parseTask(task.body);
    const name = nameOf(range);
    // One that is on the topic twice is moved once at a time.
    for (let other = this.#moving.get(name); other !== undefined; other = this.#moving.get(name)) await other;
    const moved = Promise.withResolvers<void>();
    this.#moving.set(name, moved.promise);
    const mine = AbortSignal.any([stop, task.signal]);
    try {
      // Somebody who had it before may have written behind us how far he came.
      while (!(await this.#isFinished(range, mine)));
      await task.done();
    } catch (error) {
      if (!mine.aborted) throw error;
    } finally {
      this.#moving.delete(name);
      moved.resolve();
      this.#watchers.wake();
    }
  }

  /** Whether nothing is left of it; moves what is. */
  async #isFinished(task: RangeTask, signal: AbortSignal): Promise<boolean> {
    const { generation, attempt } = this.#run;
    const ofRange = rangeSubject(generation, task.kind, task.number);
    const { run, ranges } = await this.#read(signal);
    const planned = run.ranges[task.kind]?.[task.number];
    // Of a plan that another has replaced.
    if (planned !== undefined && !isSameRange(planned, task.range)) return true;
    const standing = standingOf(task.range, ranges.get(ofRange) ?? []);
    if (isSettled(standing, attempt)) return true;
    const fact = freshRange(task.range, attempt);
    await this.#move(
      {
        ...task,
        subject: writerSubject(ofRange, this.#options.writer, task.range),
        fact: standing === undefined ? fact : { ...standing, attempt },
      },
      signal,
    );
    return false;
  }

  #read(signal: AbortSignal): Promise<RunState> {
    const { log, clock } = this.#options;
    return retry(() => readRun(log.control, this.#run.generation), { policy: PATIENT, clock, signal });
  }

  /** Until one of these resolves, or for a while. */
  async #pause(news: readonly Promise<void>[], over: AbortController, stop: AbortSignal): Promise<void> {
    const waiting = this.#options.clock.sleep(LOOK_EVERY_MS, AbortSignal.any([stop, over.signal]));
    // Rejected also when something else comes first.
    waiting.catch(() => {});
    await Promise.race([waiting, ...news]);
    over.abort();
    stop.throwIfAborted();
  }
}
