import { ChangeoverError } from '../../core/errors.ts';
import type { Bug } from './bugs.ts';
import type { Plan } from './plan.ts';
import { createRandom, type Random } from './random.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';

export interface Violation {
  readonly name: string;
  readonly detail: string;
  readonly atMs: number;
}

/** A server that processes talk to: it may be slow, or down, for a while. */
interface Server {
  downUntilMs: number;
  slowUntilMs: number;
}

/** How one call of a server will go, decided when it is made. */
export interface Passage {
  readonly requestMs: number;
  readonly answerMs: number;
  /** `late`: the caller is told that nobody answers, and its request takes effect after that. */
  readonly lost: 'nothing' | 'request' | 'answer' | 'late';
}

/**
 * The store that cannot compare and write in one step. Its guard holds while each key has one writer; a write that arrives after its
 * writer was told that it failed is one more writer, which no guard of ours can see (docs/simulation.md).
 */
export const UNGUARDED_STORE = 'target.vectors';

const EPOCH_US = 1_800_000_000_000_000;
/** A client gives up a call after about this. */
const TIMEOUT_MS = 400;

/** What all actors of a run share: time, chance, servers, the trace, and what was found to be wrong. */
export class World {
  readonly timeline = new Timeline();
  readonly trace: Trace;
  readonly random: Random;
  readonly plan: Plan;
  readonly bug: Bug | undefined;
  readonly violations: Violation[] = [];
  /** How far the origin's clock is from the true time. */
  originClockOffUs = 0;
  readonly #servers = new Map<string, Server>();

  constructor(seed: number, plan: Plan, bug: Bug | undefined, keepTrace: boolean) {
    this.random = createRandom(seed);
    this.plan = plan;
    this.bug = bug;
    this.trace = new Trace(keepTrace);
  }

  get nowMs(): number {
    return this.timeline.nowMs;
  }

  get nowUs(): number {
    return EPOCH_US + Math.trunc(this.nowMs * 1_000);
  }

  get faultsAreOn(): boolean {
    return this.nowMs < this.plan.faultsEndMs;
  }

  say(who: string, what: string): void {
    this.trace.add(`${this.nowMs.toFixed(3).padStart(10)} ${who.padEnd(14)} ${what}`);
  }

  violated(name: string, detail: string): void {
    this.say('ORACLE', `${name}: ${detail}`);
    this.violations.push({ name, detail, atMs: this.nowMs });
  }

  server(name: string): Server {
    let server = this.#servers.get(name);
    if (server === undefined) {
      server = { downUntilMs: 0, slowUntilMs: 0 };
      this.#servers.set(name, server);
    }
    return server;
  }

  passage(serverName: string): Passage {
    const { random, plan } = this;
    const server = this.server(serverName);
    // Not for everybody: a request that is held up is overtaken by those of others.
    const slow = server.slowUntilMs > this.nowMs ? random.pick([1, 20, 60]) : 1;
    const requestMs = 0.1 + random.delayMs(plan.networkMs) * slow;
    const answerMs = 0.1 + random.delayMs(plan.networkMs) * slow;
    const [first, second] = [random.next(), random.next()];
    if (!this.faultsAreOn) return { requestMs, answerMs, lost: 'nothing' };
    const { lostRequests, lostAnswers } = plan.faults;
    if (first < lostRequests) return { requestMs: requestMs + TIMEOUT_MS, answerMs, lost: 'request' };
    if (second < lostAnswers) {
      const late = this.random.chance(0.3) && serverName !== UNGUARDED_STORE;
      return { requestMs, answerMs: answerMs + TIMEOUT_MS, lost: late ? 'late' : 'answer' };
    }
    return { requestMs, answerMs, lost: 'nothing' };
  }

  isDown(serverName: string): boolean {
    return this.server(serverName).downUntilMs > this.nowMs;
  }
}

export function unreachable(server: string): ChangeoverError {
  return new ChangeoverError('unreachable', `${server} does not answer`);
}
