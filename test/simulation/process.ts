import { isRetryable, messageOf } from '../../core/errors.ts';
import type { MemorySubscription } from '../../log/memory/subscription.ts';
import { Life } from './life.ts';
import { SESSION_MS, type SimSubscription } from './sim-subscription.ts';
import type { World } from './world.ts';

/** What a process is given when it starts: all that it has of the world. */
export interface Start {
  readonly life: Life;
  /** Aborted when it is asked to end. */
  readonly signal: AbortSignal;
  readonly members: MemorySubscription[];
  readonly onSubscribed: (subscription: SimSubscription) => void;
}

export interface ProcessOptions {
  readonly world: World;
  readonly name: string;
  readonly run: (start: Start) => Promise<void>;
  /** Whether it is started again when its work has come to its end. */
  readonly endless: boolean;
  /** Whether an error that may pass may end it. */
  readonly mayFail: boolean;
  readonly offUs?: () => number;
}

const RESTART_MS = 700;
/** A stop that takes longer hangs. */
const STOP_WITHIN_MS = 25_000;

/** A process that is started again whenever it ends, however it ends. */
export class Process {
  readonly name: string;
  readonly #options: ProcessOptions;
  #incarnation = 0;
  #life: Life | undefined;
  #stop = new AbortController();
  #members: MemorySubscription[] = [];
  #subscription: SimSubscription | undefined;
  #done = false;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get life(): Life | undefined {
    return this.#life;
  }

  /** Its work has come to its end. */
  get isDone(): boolean {
    return this.#done;
  }

  start(): void {
    const { world, name, run, offUs } = this.#options;
    this.#incarnation += 1;
    const life = new Life(world, `${name}#${this.#incarnation}`, offUs);
    this.#life = life;
    this.#stop = new AbortController();
    this.#members = [];
    this.#subscription = undefined;
    life.say('starts');
    const onSubscribed = (subscription: SimSubscription): void => {
      this.#subscription = subscription;
    };
    run({ life, signal: this.#stop.signal, members: this.#members, onSubscribed }).then(
      () => this.#ended(life, undefined),
      (error: unknown) => this.#ended(life, { error }),
    );
  }

  crash(): void {
    const life = this.#life;
    if (life === undefined || life.isDead) return;
    life.kill();
    this.#life = undefined;
    const members = this.#members;
    const { timeline, random } = this.#options.world;
    timeline.after(SESSION_MS, () => {
      for (const member of members) member.expire();
    });
    timeline.after(random.delayMs(RESTART_MS), () => this.start());
  }

  /** Stands still long enough for others to take over what it has, and goes on then. */
  stall(): void {
    const { world } = this.#options;
    this.#life?.standStill(SESSION_MS + world.random.delayMs(1_500));
    const subscription = this.#subscription;
    if (subscription !== undefined) world.timeline.after(SESSION_MS, () => subscription.evict());
  }

  /** Its group goes on without it, and it does not know yet. */
  evict(): void {
    this.#subscription?.mute();
  }

  /** Asks it to end in order. */
  stopInOrder(): void {
    const { world } = this.#options;
    const life = this.#life;
    if (life === undefined || this.#stop.signal.aborted) return;
    life.say('is asked to end');
    this.#stop.abort(new Error('asked to end'));
    world.timeline.after(STOP_WITHIN_MS, () => {
      if (this.#life === life && !life.isDead) world.violated('stuck', `${life.name} did not end`);
    });
  }

  #ended(life: Life, failure: { readonly error: unknown } | undefined): void {
    const { world, endless, mayFail } = this.#options;
    if (this.#life !== life) return;
    const asked = this.#stop.signal.aborted;
    life.say(failure === undefined ? 'ends' : `fails: ${messageOf(failure.error)}`);
    if (failure !== undefined && !asked && !(mayFail && isRetryable(failure.error))) {
      world.violated('failed', `${life.name}: ${messageOf(failure.error)}`);
    }
    this.#done = failure === undefined && !asked && !endless;
    life.kill();
    this.#life = undefined;
    // Those that did not leave in order are put out when the session is over.
    const members = this.#members;
    world.timeline.after(SESSION_MS, () => {
      for (const member of members) member.expire();
    });
    if (!this.#done) world.timeline.after(world.random.delayMs(RESTART_MS), () => this.start());
  }
}
