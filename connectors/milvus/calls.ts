import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Tenure } from '../connector.ts';
import { serverCodeOf, toMilvusError } from './errors.ts';

interface CallsOptions {
  /** For messages. */
  readonly where: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Runs one call to the server under one set of rules. */
export type Calls = <T>(
  name: string,
  work: (withinMs: number) => Promise<T>,
  options?: CallOptions,
) => Promise<T>;

interface CallOptions {
  readonly attempts?: number;
  /** Of a call that must have ended when this is over: whoever has asked for it decides whether it is tried again. */
  readonly tenure?: Tenure | undefined;
}

/** More than the pipeline's own retries would be waiting here, out of its sight. */
const ATTEMPTS = 3;
/** In less than this a call is not begun. */
const MIN_TENURE_MS = 100;
/**
 * No call takes longer under a tenure, because a tenure is cut short while the call is under way: to no less than 20 s, when others wait
 * (docs/decisions/0031).
 */
const MAX_TENURE_MS = 18_000;
/** What the client itself may add to the deadline of a call, connecting for instance. */
const GRACE_MS = 2_000;

/**
 * The one wrapper for every call. The client resolves with an error status, with an empty answer, or throws errors and
 * plain objects; it does not try again what is passing; and a server that has just started may not answer at all. Here
 * each call ends in time, with an answer whose status says success, or with one of our errors.
 */
export function createCalls({ where, timeoutMs, clock }: CallsOptions): Calls {
  const once = async <T>(
    name: string,
    work: (withinMs: number) => Promise<T>,
    tenure: Tenure | undefined,
  ): Promise<T> => {
    const leftMs =
      tenure === undefined ? Number.POSITIVE_INFINITY : Math.min(tenure.remainingMs(), MAX_TENURE_MS);
    if (leftMs < MIN_TENURE_MS) throw outlived(name, where);
    try {
      const answer = await withDeadline(
        work(Math.min(timeoutMs, leftMs)),
        Math.min(timeoutMs + GRACE_MS, leftMs),
        name,
      );
      const code = serverCodeOf(answer);
      if (code === 0) return answer;
      throw code === undefined ? unanswered(name, where) : answer;
    } catch (error) {
      throw toMilvusError(error, where);
    }
  };
  return (name, work, { tenure, attempts = tenure === undefined ? ATTEMPTS : 1 } = {}) =>
    retry(() => once(name, work, tenure), {
      policy: { attempts, initialDelayMs: 100, maxDelayMs: 2_000 },
      clock,
    });
}

function outlived(name: string, where: string): ChangeoverError {
  return new ChangeoverError(
    'unreachable',
    `${name} at Milvus ${where} was not begun: its keys may be others' soon.`,
  );
}

function unanswered(name: string, where: string): ChangeoverError {
  return new ChangeoverError('unsupported', `Milvus at ${where} answered ${name} with nothing.`, {
    hint: 'Use Milvus 2.3 or newer.',
  });
}

async function withDeadline<T>(work: Promise<T>, ms: number, name: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} timed out after ${Math.round(ms)} ms`)), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
