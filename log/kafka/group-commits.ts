import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import { isGenerationOver, kafkaError } from './errors.ts';
import type { Member, Place } from './member.ts';
import { type NextOffset, OffsetCommits } from './offset-commits.ts';
import type { Reading } from './reading.ts';

export interface GroupCommitsOptions {
  readonly reading: Reading;
  readonly closing: AbortSignal;
  readonly address: string;
  readonly clock: Clock;
  readonly logger: Logger;
  member(): Member | undefined;
  generation(): number;
  isCurrent(generation: number): boolean;
  /** Whether the group is being shared out anew, for which all that has begun here is waited for. */
  handingOver(): boolean;
  warn(message: string, error: unknown): void;
}

/** A commit that cannot be sent is void when the member ends; until then it is worth sending. */
const COMMIT = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 50, maxDelayMs: 2_000 } as const;

/** Commits for a group through whatever member there is, each time with what the group has to remember. */
export class GroupCommits {
  readonly #options: GroupCommitsOptions;
  readonly #commits: OffsetCommits;

  constructor(options: GroupCommitsOptions) {
    this.#options = options;
    const { clock, closing } = options;
    this.#commits = new OffsetCommits({ clock, closing, send: (offsets) => this.#send(offsets) });
  }

  /** Resolves when these, or later ones of the same places, are committed or void. */
  add(offsets: readonly NextOffset[]): Promise<void> {
    return this.#commits.add(offsets);
  }

  /** How far a place is committed in this generation, or will be. */
  reached(place: Place): number | undefined {
    return this.#commits.reached(place);
  }

  /** Partitions have been shared out anew: what is not committed yet is void. */
  clear(): void {
    this.#commits.clear();
  }

  async #send(offsets: readonly NextOffset[]): Promise<void> {
    const { reading, clock, address, logger, member, generation, isCurrent, handingOver, warn } =
      this.#options;
    const ours = generation();
    const commits = reading.toCommit(
      offsets.map(({ mark, ...next }) => ({ ...next, mark: mark?.() ?? null })),
    );
    await retry(
      async () => {
        const sender = member();
        if (sender === undefined || !isCurrent(ours)) return;
        try {
          await sender.commit(commits);
          reading.noteCommitted(commits);
        } catch (error) {
          // Others wait for this one, and where the coordinator has moved it would fail for as long as it is waited for: kafkajs
          // asks for the coordinator when it joins, and never for a commit. What is not committed is delivered again.
          if (!isGenerationOver(error) && !handingOver())
            throw kafkaError(error, 'commit what was read', address);
          logger.debug({ reason: messageOf(error) }, 'dropped a commit: the group is shared out anew');
        }
      },
      { policy: COMMIT, clock, onRetry: (error) => warn('cannot commit, trying again', error) },
    );
  }
}
