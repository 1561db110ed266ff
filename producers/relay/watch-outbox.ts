import type { Capture, CaptureStatus } from '../../connectors/capture.ts';
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { type Service, unlessAborted } from '../../core/service.ts';

export interface WatchOutboxOptions {
  readonly store: string;
  readonly capture: Pick<Capture, 'status'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly everyMs?: number;
  readonly onStatus?: (status: CaptureStatus) => void;
}

const EVERY_MS = 5_000;
/** The higher one first. */
const THRESHOLDS = [0.9, 0.5] as const;
/** An alarm is over when the outbox is this much below its threshold, so that one that trembles there says it once. */
const OVER_BELOW = 0.8;

/**
 * Looks at an outbox every few seconds, one look at a time, and raises an alarm once when it passes half of its bound,
 * 90 % of it, or when writes went uncaptured.
 */
export function watchOutbox(options: WatchOutboxOptions): Service {
  const { store, capture, clock, everyMs = EVERY_MS, onStatus } = options;
  const logger = options.logger.child({ outbox: store });
  const alarm = createAlarm(logger);
  let blind = false;
  const look = async (signal: AbortSignal): Promise<void> => {
    try {
      const status = await unlessAborted(capture.status(), signal);
      blind = false;
      alarm(status);
      onStatus?.(status);
    } catch (error) {
      if (signal.aborted) return;
      if (!blind) logger.warn({ reason: messageOf(error) }, 'cannot look at the outbox');
      blind = true;
    }
  };
  return {
    name: `outbox watch ${store}`,
    run: async (signal) => {
      while (!signal.aborted) {
        await look(signal);
        await clock.sleep(everyMs, signal).catch(() => {});
      }
    },
  };
}

/** Tells each crossing once. */
function createAlarm(logger: Logger): (status: CaptureStatus) => void {
  let raised = 0;
  let lostSinceUs: number | null = null;
  return (status) => {
    const { entries, maxEntries } = status;
    const share = entries / maxEntries;
    const passed = THRESHOLDS.find((threshold) => share >= threshold) ?? 0;
    if (passed > raised) {
      raised = passed;
      const fields = { entries, maxEntries, share: Math.round(share * 100) / 100 };
      if (passed >= 0.9)
        logger.error(
          fields,
          'the outbox is nearly full; soon its policy whenFull holds: see that the relay runs and that Kafka takes what it publishes',
        );
      else
        logger.warn(
          fields,
          'the outbox is half full: see that the relay runs and that Kafka takes what it publishes',
        );
    } else if (share < raised * OVER_BELOW) raised = passed;
    if (status.lostSinceUs !== null && status.lostSinceUs !== lostSinceUs) {
      const since = new Date(status.lostSinceUs / 1_000).toISOString();
      logger.error(
        { since },
        'writes went uncaptured because the outbox was full: the log misses them; when it drains again, run a new backfill of all kinds of this store (changeover backfill --restart), then changeover validate',
      );
    }
    lostSinceUs = status.lostSinceUs;
  };
}
