import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, startChild, stopChild } from './child.ts';
import type { KillOrder } from './kill-plan.ts';
import { type LifeOptions, UNREACHABLE } from './life.ts';
import type { PlannedKill, Slot } from './plan.ts';

/** A process that has not come by its passage after this time is killed where it is. */
const LATE_AFTER_MS = 40_000;
const PAUSE_AFTER_FAILURE_MS = 500;
const BACKFILL_RATE = 400;
/** Of one process in one run. */
const MOST_FAILURES = 3;
const MOST_LATE = 8;
/** Of a passage that `dieAt` names: several lives, each of them `LATE_AFTER_MS` long. */
const DIES_WITHIN_MS = 240_000;
/** A process that ends by itself in the moment in which it is killed was not killed: so many come after it. */
const MOST_KILLS = 20;
const PAUSE_BEFORE_KILL_MS = 100;
/** The exit code of a command that was stopped before its work was done. */
const STOPPED = 130;

/** All lives of one process: each ends with a planned kill, and the last when it is told to stop. */
export class Lives {
  readonly #slot: Slot;
  readonly #options: LifeOptions;
  readonly #stopping = new AbortController();
  readonly #killed = Promise.withResolvers<void>();
  readonly #done: Promise<void>;
  /** Kills to come: the planned ones, and whatever `dieAt` adds. */
  readonly #left: { readonly planned: PlannedKill; readonly onKilled?: () => void }[];
  #incarnation = 0;
  #child: Child | undefined;
  /** The present life was ended, or is to be, by somebody else. */
  #isStruck = false;
  #resumed: Promise<void> = Promise.resolve();
  #resume: () => void = () => {};

  constructor(slot: Slot, options: LifeOptions) {
    this.#slot = slot;
    this.#options = options;
    this.#left = slot.kills.map((planned) => ({ planned }));
    this.#done = this.#live();
    this.#done.catch((error: unknown) => this.#killed.reject(error));
    this.#killed.promise.catch(() => {});
  }

  /** Resolves when all planned kills have happened. */
  get killed(): Promise<void> {
    return this.#killed.promise;
  }

  /** Signals the present process. It is started again where that ends it. */
  strike(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    this.#isStruck ||= signal === 'SIGKILL' || signal === 'SIGTERM';
    this.#child?.process.kill(signal);
  }

  /** Kills the present process, or one that comes after it where that ends by itself first. Resolves when it was this that ended it. */
  async kill(): Promise<void> {
    for (let attempt = 0; attempt < MOST_KILLS; attempt++) {
      const child = this.#child;
      this.strike('SIGKILL');
      await child?.ended;
      if (child?.process.signalCode === 'SIGKILL') return;
      await sleep(PAUSE_BEFORE_KILL_MS, undefined, { signal: this.#stopping.signal });
    }
    throw new Error(`${this.#name} was never there to be killed.`);
  }

  /**
   * Ends the present process as its user would; one that comes after it kills itself at this passage. Resolves when one has; rejects
   * where none does in time, and where this life is over before.
   */
  async dieAt(planned: PlannedKill, withinMs = DIES_WITHIN_MS): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const kill = { planned, onKilled: resolve };
    this.#left.push(kill);
    this.strike('SIGTERM');
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, this.#stopping.signal]);
    const late = sleep(withinMs, undefined, { signal }).then(
      () => `within ${withinMs / 1_000} s`,
      () => 'before it was stopped',
    );
    const over = this.#done.then(() => 'before it was stopped');
    try {
      const tooLate = await Promise.race([promise, late, over]);
      if (tooLate === undefined) return;
      const { point, store, passage } = planned;
      throw new Error(`${this.#name} has not come by passage ${passage} of ${point} (${store}) ${tooLate}.`);
    } finally {
      waiting.abort();
      const at = this.#left.indexOf(kill);
      if (at >= 0) this.#left.splice(at, 1);
    }
  }

  /** Ends the present process as its user would, and starts no other before `resume`. */
  async pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.#resumed, this.#resume] = [promise, resolve];
    const child = this.#child;
    this.strike('SIGTERM');
    await child?.ended;
  }

  resume(): void {
    this.#resume();
  }

  /** Ends the present life as its user would. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#resume();
    await this.#done;
  }

  get #name(): string {
    const { role, origin } = this.#slot;
    return `${role} of ${origin ?? 'all stores'}`;
  }

  async #live(): Promise<void> {
    const { kills } = this.#slot;
    const left = this.#left;
    let [late, failures] = [0, 0];
    for (;;) {
      const planned = left[0]?.planned;
      if (planned === undefined) this.#killed.resolve();
      await this.#resumed;
      if (this.#stopping.signal.aborted) return;
      const outcome = await this.#liveOnce(planned);
      if (outcome === 'as-planned') left.shift()?.onKilled?.();
      else if (outcome === 'late') {
        // A passage that it does not come by may be another time.
        left.push(...left.splice(0, 1));
        late += 1;
      } else if (outcome === 'failed') failures += 1;
      if (failures > MOST_FAILURES) throw new Error(`${this.#name} ends with errors of its own.`);
      if (late > MOST_LATE + kills.length)
        throw new Error(`${this.#name} does not come by ${planned?.point}.`);
    }
  }

  async #liveOnce(planned: PlannedKill | undefined): Promise<'as-planned' | 'late' | 'failed' | 'over'> {
    this.#incarnation += 1;
    const {
      places,
      onKilled,
      onFailure,
      isPassing = isUnreachable,
      environment,
      backfillRate,
    } = this.#options;
    const { role, origin } = this.#slot;
    const name = `${role}-${origin ?? 'all'}-${this.#incarnation}`;
    const file = join(places.migration.folder, `killed-${name}`);
    const child = startChild({
      slot: this.#slot,
      order: planned === undefined ? undefined : orderOf(planned, file),
      configFile: this.#options.configFile ?? places.migration.configFile,
      writer: this.#options.writer(this.#incarnation),
      backfillRate: backfillRate ?? BACKFILL_RATE,
      environment: environment?.() ?? {},
    });
    this.#child = child;
    this.#isStruck = false;
    const over = new AbortController();
    this.#killLater(child, planned, over.signal);
    let hung = (): boolean => false;
    const stop = (): void => {
      hung = stopChild(child, over.signal);
    };
    this.#stopping.signal.addEventListener('abort', stop);
    if (this.#stopping.signal.aborted) stop();
    const { code, stderr } = await child.ended;
    over.abort();
    this.#stopping.signal.removeEventListener('abort', stop);
    if (this.#isStruck && planned === undefined && (code === null || code === 0 || code === STOPPED))
      return 'over';
    const store = planned?.store ?? 'all';
    if (code === null && !this.#stopping.signal.aborted) {
      const asOrdered = existsSync(file);
      rmSync(file, { force: true });
      const asPlanned = planned !== undefined && (asOrdered || planned.point === 'random');
      onKilled({ store, point: asOrdered && planned !== undefined ? planned.point : 'random' });
      return asPlanned ? 'as-planned' : 'late';
    }
    // A process that has only begun has no ear for SIGTERM yet, and ends by it.
    const stoppedAsAsked = this.#stopping.signal.aborted && (code === STOPPED || (code === null && !hung()));
    if (code !== 0 && !stoppedAsAsked) {
      const passes = isPassing(code, stderr);
      onFailure({ role, store: origin, code, stderr });
      await sleep(PAUSE_AFTER_FAILURE_MS);
      return passes ? 'over' : 'failed';
    }
    return 'over';
  }

  #killLater(child: Child, planned: PlannedKill | undefined, signal: AbortSignal): void {
    if (planned === undefined) return;
    const ms = planned.point === 'random' ? planned.afterMs : LATE_AFTER_MS;
    sleep(ms, undefined, { signal }).then(
      () => !this.#stopping.signal.aborted && child.process.kill('SIGKILL'),
      () => {},
    );
  }
}

const isUnreachable = (code: number | null): boolean => code === UNREACHABLE;

function orderOf({ point, passage, store }: PlannedKill, file: string): KillOrder | undefined {
  if (point === 'random') return undefined;
  return { point, passage, file, store: store.slice(store.indexOf('.') + 1) };
}
