import type { Clock } from '../../core/clock.ts';
import { unreachable, type World } from './world.ts';

interface CallOptions {
  /** Of what the protocol itself makes sure. */
  readonly sure?: boolean;
  /** A read whose answer comes too late is not heard: nothing takes effect then. */
  readonly isRead?: boolean;
  /** The server drops what has not taken effect by then, and the caller waits no longer. */
  readonly withinMs?: number;
}

/**
 * One incarnation of a process. All that it hears of the world (answers, timers, what it waits for) comes through here. When it
 * dies, it hears nothing any more: whatever it was waiting for never comes, and what it held in memory is gone with it.
 * Requests that were on their way then may still arrive.
 */
export class Life {
  readonly world: World;
  readonly name: string;
  readonly clock: Clock;
  #dead = false;
  #standsStillUntilMs = 0;
  /** How many of its requests still arrive after its death. */
  #lastRequests = 0;
  #underWay = 0;

  constructor(world: World, name: string, offUs: () => number = () => 0) {
    this.world = world;
    this.name = name;
    this.clock = {
      nowUs: () => world.nowUs + offUs(),
      elapsedMs: () => world.nowMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get isDead(): boolean {
    return this.#dead;
  }

  get standsStill(): boolean {
    return this.#standsStillUntilMs > this.world.nowMs;
  }

  say(what: string): void {
    this.world.say(this.name, what);
  }

  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#lastRequests = this.world.random.chance(0.5) ? this.world.random.between(1, 4) : 0;
    this.say(`dies, ${this.#underWay} calls under way`);
  }

  standStill(ms: number): void {
    this.#standsStillUntilMs = this.world.nowMs + ms;
    this.say(`stands still for ${ms.toFixed(0)} ms`);
  }

  /** Whether a request of it that reaches a server now is one that was sent. */
  stillArrives(): boolean {
    if (!this.#dead) return true;
    this.#lastRequests -= 1;
    return this.#lastRequests >= 0;
  }

  /** Something happens to this process, unless it is dead by then; not before it goes on where it stands still. */
  tell(afterMs: number, happen: () => void): void {
    const { timeline } = this.world;
    const arrive = (): void => {
      if (this.#dead) return;
      if (this.standsStill) timeline.at(this.#standsStillUntilMs, arrive);
      else happen();
    };
    timeline.after(afterMs, arrive);
  }

  /** Waits for something in this process' own surroundings that is not a call; told a little later. */
  hear<T>(awaited: Promise<T>, delayMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      awaited.then(
        (value) => this.tell(delayMs, () => resolve(value)),
        (error: unknown) => this.tell(delayMs, () => reject(error)),
      );
    });
  }

  /** Asks a server: the request travels, takes effect, and the answer travels back. Each of them may be lost. */
  call<T>(
    server: string,
    what: string,
    effect: () => T | Promise<T>,
    { sure = false, isRead = false, withinMs = Number.POSITIVE_INFINITY }: CallOptions = {},
  ): Promise<T> {
    const { world } = this;
    if (this.#dead) return new Promise(() => {});
    const passage = world.passage(server);
    const { requestMs, answerMs } = passage;
    const inTime = requestMs <= withinMs;
    const lost = sure ? 'nothing' : isRead && passage.lost === 'late' ? 'answer' : passage.lost;
    this.#underWay += 1;
    return new Promise((resolve, reject) => {
      const sentMs = world.nowMs;
      const answer = (settle: () => void): void => {
        this.#underWay -= 1;
        const leftMs = Math.max(0, withinMs - (world.nowMs - sentMs));
        if (answerMs <= leftMs) this.tell(answerMs, settle);
        else this.tell(leftMs, () => reject(unreachable(server)));
      };
      world.timeline.after(Math.min(requestMs, withinMs), () => {
        if (!this.stillArrives()) {
          this.say(`(${what} was never sent)`);
          answer(() => {});
        } else if (!inTime || lost === 'request' || world.isDown(server)) {
          this.say(`${what}: no answer`);
          answer(() => reject(unreachable(server)));
        } else if (lost === 'late') {
          this.say(`${what}: no answer yet`);
          world.timeline.after(answerMs + world.random.delayMs(600), () => {
            if (!this.stillArrives()) return;
            this.say(`${what} (late)`);
            Promise.resolve()
              .then(effect)
              .catch(() => {});
          });
          answer(() => reject(unreachable(server)));
        } else {
          this.say(`${what}${lost === 'answer' ? ' (its answer is lost)' : ''}`);
          Promise.resolve()
            .then(effect)
            .then(
              (value) => answer(() => (lost === 'answer' ? reject(unreachable(server)) : resolve(value))),
              (error: unknown) => answer(() => reject(error)),
            );
        }
      });
    });
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.tell(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }
}
