import assert from 'node:assert/strict';
import type { EntityWrite } from '../../connectors/capture.ts';
import { systemClock } from '../../core/clock.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { Log, Publisher } from '../../log/log.ts';
import { Relay, type RelayOptions } from '../../producers/relay/relay.ts';
import type { Change } from '../../schemas/change.ts';
import { agentWrite, MemoryCapture } from '../support/memory-capture.ts';
import { openTestLog } from '../support/memory-log.ts';
import type { MemoryOutbox } from '../support/memory-outbox.ts';
import { until as untilWithin } from '../support/until.ts';

export interface Running {
  readonly relay: Relay;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export function startRelay(
  outbox: MemoryOutbox,
  log: Pick<Log, 'publisher'>,
  options: Partial<RelayOptions> = {},
): Running {
  const stop = new AbortController();
  const relay = new Relay({
    store: outbox.options.name,
    capture: new MemoryCapture(outbox),
    log,
    clock: systemClock,
    logger: silentLogger,
    batchSize: 10,
    maxInFlight: 200,
    stopTimeoutMs: 2_000,
    ...options,
  });
  const ended = relay.run(stop.signal);
  ended.catch(() => {});
  return {
    relay,
    ended,
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

/** The log of a test: what has been published, in that order, and a hand on each `publish` call. */
export interface WatchedLog extends Pick<Log, 'publisher'> {
  /** In the order in which the calls were made; whole calls, also those that failed. */
  readonly calls: (readonly Change[])[];
  /** What the log has, in the order of its confirmations. */
  readonly published: Change[];
  /** Called with each `publish`, before the log gets it: it may take time, or throw. */
  before: (changes: readonly Change[], call: number) => Promise<void> | void;
  /** Publishers that were opened and are not closed. */
  readonly open: number;
}

export async function watchedLog(): Promise<WatchedLog> {
  const log = await openTestLog();
  const calls: (readonly Change[])[] = [];
  const published: Change[] = [];
  let open = 0;
  const watched: WatchedLog & { before: WatchedLog['before'] } = {
    calls,
    published,
    before: () => {},
    get open() {
      return open;
    },
    publisher: async () => {
      const inner = await log.publisher();
      open += 1;
      let closed = false;
      const underWay = new Set<Promise<void>>();
      const publisher: Publisher = {
        ready: () => inner.ready(),
        publish: (changes) => {
          calls.push(changes);
          const call = (async () => {
            await watched.before(changes, calls.length);
            await inner.publish(changes);
            published.push(...changes);
          })();
          const settled: Promise<void> = call.catch(() => {}).then(() => void underWay.delete(settled));
          underWay.add(settled);
          return call;
        },
        close: async () => {
          await Promise.all(underWay);
          if (!closed) open -= 1;
          closed = true;
          await inner.close();
        },
      };
      return publisher;
    },
  };
  return watched;
}

/** Writes of `keys` agents in turn. */
export async function fill(outbox: MemoryOutbox, writes: number, keys = 7): Promise<void> {
  const capture = new MemoryCapture(outbox);
  const all: EntityWrite[] = Array.from({ length: writes }, (_, index) =>
    agentWrite(`a${index % keys}`, index),
  );
  for (const result of await capture.write(all)) assert.equal(result.status, 'written');
}

export const until = (reached: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> =>
  untilWithin(reached, withinMs);

/** Each key's versions never go back, and each is there once. */
export function assertInOrder(changes: readonly Change[]): void {
  const newest = new Map<string, number>();
  for (const { key, version } of changes) {
    assert.ok(version > (newest.get(key) ?? 0), `${key}: ${version} after ${newest.get(key)}`);
    newest.set(key, version);
  }
}

export interface Said {
  readonly level: 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that remembers what an operator would read. */
export interface ListeningLogger extends Logger {
  readonly said: Said[];
}

export function listeningLogger(): ListeningLogger {
  const said: Said[] = [];
  const logger: ListeningLogger = {
    ...silentLogger,
    said,
    warn: (fields: Said['fields'], message: string) => said.push({ level: 'warn', fields, message }),
    error: (fields: Said['fields'], message: string) => said.push({ level: 'error', fields, message }),
    child: () => logger,
  };
  return logger;
}
