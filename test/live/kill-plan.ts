/** Where a process is killed. Each is a passage of its own code, at which it kills itself (kill-points.ts). */
export const KILL_POINTS = [
  /** A writer: its store has answered, the application has not heard of it. */
  'after-store-commit',
  /** A relay: entries were read, and are about to be published. */
  'before-publish',
  /** A relay: the log has confirmed, nothing has been discarded. */
  'after-publish',
  /** The dictionary's owner: half of the bytes of a frame are written. */
  'mid-journal',
  /** The dictionary's owner: a frame is written and not yet on the disk. */
  'before-sync',
  /** The dictionary's owner: between two steps of a compaction. */
  'mid-compaction',
  /** A follower: between two statements of a batch, or between the store's confirmation and the commit of offsets. */
  'mid-batch',
  /** A follower: its store has confirmed a batch, and its offsets are about to be committed. */
  'before-commit',
  /** Anybody: whenever the clock says so (from outside). */
  'random',
] as const;
export type KillPoint = (typeof KILL_POINTS)[number];

/** What a process is told of its own end, in `LIVE_KILL`. */
export interface KillOrder {
  readonly point: Exclude<KillPoint, 'random'>;
  /** The how-manieth passage. */
  readonly passage: number;
  /** Of a follower's stores, the one whose batch it is. */
  readonly store?: string;
  /** Made in the moment before the end, so that whoever watches knows that it came to this. */
  readonly file: string;
}

export const KILL_ORDER_ENV = 'LIVE_KILL';
