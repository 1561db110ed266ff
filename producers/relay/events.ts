/** What a relay tells whoever counts or shows it. */
export type RelayEvent =
  /** It has the outbox to itself now, or no longer. */
  | { readonly type: 'claim'; readonly holding: boolean }
  /** The log confirmed so many entries; of these, so many may have been in it before. */
  | { readonly type: 'published'; readonly entries: number; readonly again: number }
  /** So many confirmed entries have left the outbox. */
  | { readonly type: 'discarded'; readonly entries: number }
  /** The log can never take this one; it is kept beside the outbox. */
  | { readonly type: 'set-aside'; readonly where: string; readonly reason: string };

/** What a relay has done since it started. */
export interface RelayProgress {
  readonly holding: boolean;
  readonly published: number;
  readonly republished: number;
  readonly discarded: number;
  readonly setAside: number;
}

export const NO_RELAY_PROGRESS: RelayProgress = {
  holding: false,
  published: 0,
  republished: 0,
  discarded: 0,
  setAside: 0,
};

export function afterEvent(progress: RelayProgress, event: RelayEvent): RelayProgress {
  switch (event.type) {
    case 'claim':
      return { ...progress, holding: event.holding };
    case 'published':
      return {
        ...progress,
        published: progress.published + event.entries,
        republished: progress.republished + event.again,
      };
    case 'discarded':
      return { ...progress, discarded: progress.discarded + event.entries };
    case 'set-aside':
      return { ...progress, setAside: progress.setAside + 1 };
    default:
      return event satisfies never;
  }
}
