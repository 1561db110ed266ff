import type { Capture } from '../connectors/capture.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Publisher } from '../log/log.ts';
import type { ReadyCheck } from './info-routes.ts';

const PATIENCE_MS = 2_000;
/** Whoever asks more often is told the same again: a readiness check must not be a load. */
const FRESH_MS = 1_000;

/** A store can be written to when its writes are captured and its outbox has room. */
export function captureReadiness(name: string, capture: Pick<Capture, 'status'>) {
  return async (): Promise<ReadyCheck> => {
    const { active, detail, entries, maxEntries } = await capture.status();
    const waiting = `${entries} of ${maxEntries} entries wait for the log`;
    return { name, ok: active && entries < maxEntries, detail: `${detail}; ${waiting}` };
  };
}

/** The log can be written to when a call would not have to wait. */
export function logReadiness(publisher: Pick<Publisher, 'ready'>) {
  return async (): Promise<ReadyCheck> => {
    await publisher.ready();
    return { name: 'log', ok: true, detail: 'it takes changes' };
  };
}

export type Check = () => Promise<ReadyCheck>;

/** Asks all of them at once, each for a bounded time, and remembers the answer for a moment. It never rejects. */
export function createReadiness(
  checks: ReadonlyMap<string, Check>,
  clock: Clock,
): () => Promise<readonly ReadyCheck[]> {
  let askedMs = Number.NEGATIVE_INFINITY;
  let answer: Promise<readonly ReadyCheck[]> = Promise.resolve([]);
  return () => {
    const nowMs = clock.elapsedMs();
    if (nowMs - askedMs >= FRESH_MS) {
      askedMs = nowMs;
      answer = Promise.all(Array.from(checks, ([name, check]) => inTime(name, check, clock)));
    }
    return answer;
  };
}

async function inTime(name: string, check: Check, clock: Clock): Promise<ReadyCheck> {
  const answered = new AbortController();
  const late = clock.sleep(PATIENCE_MS, answered.signal).then(
    () => ({ name, ok: false, detail: `no answer within ${PATIENCE_MS} ms` }),
    () => ({ name, ok: false, detail: '' }),
  );
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  } finally {
    answered.abort();
  }
}
