import { openSync, readFileSync, writeSync } from 'node:fs';
import type { Kind } from '../../schemas/kinds.ts';
import type { Write } from './evidence.ts';

/**
 * The independent history: one file per writer, one JSON line per event, each in the kernel's hands before anything
 * else happens (appended without a buffer of the process), so that SIGKILL loses none.
 */
export interface Asked {
  readonly event: 'asked';
  readonly kind: Kind;
  readonly key: string;
  readonly token: number;
  readonly content: string | null;
  readonly eventId: string | null;
  readonly at: number;
}

export interface Answered {
  readonly event: 'acknowledged' | 'rejected' | 'failed';
  readonly kind: Kind;
  readonly token: number;
  readonly version: number | null;
  readonly detail?: string;
  readonly at: number;
}

export type HistoryEvent = Asked | Answered;

/** CLOCK_MONOTONIC: one clock for all processes of this machine. */
export const monotoneMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

export function openHistory(file: string): (event: HistoryEvent) => void {
  const descriptor = openSync(file, 'a', 0o600);
  return (event) => {
    writeSync(descriptor, `${JSON.stringify(event)}\n`);
  };
}

export function readHistory(file: string): readonly HistoryEvent[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // This writer has written nothing yet.
    return [];
  }
  // A kill between two bytes of one line is not possible (one write call each); a last line may still be under way.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as HistoryEvent);
}

/** A write that was asked for twice (the same event id, after a crash) is one write. */
export function writesOf(events: readonly HistoryEvent[]): readonly Write[] {
  const writes = new Map<string, Write>();
  for (const event of events) {
    const id = `${event.kind} ${event.token}`;
    const known = writes.get(id);
    if (event.event === 'asked') {
      const { kind, key, token, content, eventId, at } = event;
      if (known !== undefined) continue;
      const open = { acknowledgedAt: null, version: null, rejected: false };
      writes.set(id, { kind, key, token, content, eventId, askedAt: at, ...open });
    } else if (known !== undefined) {
      if (event.event === 'acknowledged')
        writes.set(id, {
          ...known,
          acknowledgedAt: known.acknowledgedAt ?? event.at,
          version: event.version,
        });
      if (event.event === 'rejected') writes.set(id, { ...known, rejected: true });
    }
  }
  return [...writes.values()];
}
