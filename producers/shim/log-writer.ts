import { randomUUID } from 'node:crypto';
import type { CapturePath, CaptureSettings, EntityWrite, WriteResult } from '../../connectors/capture.ts';
import { changeOf, writeFault } from '../../connectors/write-fault.ts';
import type { Clock } from '../../core/clock.ts';
import type { Publisher } from '../../log/log.ts';
import type { Change } from '../../schemas/change.ts';
import type { ChangeWriter } from './change-writer.ts';
import { EventMemory } from './event-memory.ts';
import { createHybridClock, type HybridClock } from './hybrid-clock.ts';

export interface LogWriterOptions {
  /** Only `publish`; closing it is its owner's. */
  readonly publisher: Pick<Publisher, 'publish'>;
  readonly settings: CaptureSettings;
  readonly clock: Clock;
  /** How many event ids are remembered. */
  readonly rememberEvents?: number;
}

const REMEMBER_EVENTS = 100_000;

/** The `store` of changes that no store was written with: no follower may take them for its own echo. */
export const LOG_FIRST_STORE = 'log';

export interface LogWriter extends ChangeWriter {
  /** Merges a version that this process has read, so that what is written next wins over it. */
  observe(version: number): void;
}

/**
 * Writes to the log first, without an origin store: for the time after cutover. `write` resolves when all in-sync replicas
 * have every change; where publishing fails, it rejects, and any of them may have been written.
 *
 * It promises less than a capture of a store does:
 *
 * - Event ids are remembered in this process only, the newest 100,000 of them: a repetition that comes later, or after
 *   a restart, is written again with a new version. As states are whole, that changes nothing, unless somebody else wrote
 *   the same key in between.
 * - It knows no state: `before` is null, an upsert is `u`, and deleting an agent does not delete its relationships: say `unrelate` first.
 * - Of two writes to one key from two processes within the difference of their clocks the greater version wins, the same
 *   in every store.
 */
export function createLogWriter(options: LogWriterOptions): LogWriter {
  const { publisher, settings, clock } = options;
  const versions: HybridClock = createHybridClock(clock);
  const events = new EventMemory<number>(options.rememberEvents ?? REMEMBER_EVENTS);

  return {
    observe: versions.observe,
    write: async (writes, path = 'shim') => {
      const origin = { path, store: LOG_FIRST_STORE };
      const changes: Change[] = [];
      const confirmed = Promise.withResolvers<void>();
      // Nobody may be waiting for it.
      confirmed.promise.catch(() => {});
      // Nothing here waits before `publish` is called, so the versions of a key come into the log in their order.
      const results = writes.map((write): Promise<WriteResult> => {
        const seen = write.eventId === undefined ? undefined : events.get(write.eventId);
        if (seen !== undefined) return seen.then((version) => ({ status: 'repeated', version }));
        const reason = writeFault(write, settings, origin);
        if (reason !== undefined) return Promise.resolve({ status: 'rejected', reason });
        const version = versions.next();
        changes.push(stamped(write, version, path));
        const written = confirmed.promise.then(() => version);
        if (write.eventId !== undefined) events.remember(write.eventId, written);
        return written.then(() => ({ status: 'written', version }));
      });
      const answers = Promise.all(results);
      answers.catch(() => {});
      try {
        if (changes.length > 0) await publisher.publish(changes);
        confirmed.resolve();
      } catch (error) {
        confirmed.reject(error);
      }
      return answers;
    },
  };

  function stamped(write: EntityWrite, version: number, path: CapturePath): Change {
    return changeOf(write, {
      version,
      before: null,
      created: false,
      origin: { path, store: LOG_FIRST_STORE, writer: settings.writer },
      eventId: write.eventId ?? randomUUID(),
      capturedAt: clock.nowUs(),
    });
  }
}
