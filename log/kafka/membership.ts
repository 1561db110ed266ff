import type { Clock } from '../../core/clock.ts';
import type { ChangeoverError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { SubscriptionEvent } from '../log.ts';
import type { Claims } from './claims.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';
import type { Member, MemberEvents, Place } from './member.ts';
import type { Reading, Seek } from './reading.ts';
import { placeOf } from './records.ts';
import type { Watermarks } from './watermarks.ts';

export interface MembershipOptions {
  readonly openMember: (events: MemberEvents) => Promise<Member>;
  readonly events: MemberEvents;
  readonly requireTopics: () => Promise<void>;
  readonly readWatermarks?: (() => Promise<readonly Watermarks[]>) | undefined;
  readonly acceptGap?: boolean | undefined;
  readonly reading: Reading;
  readonly claims: Claims;
  readonly closing: AbortSignal;
  readonly address: string;
  readonly clock: Clock;
  /** The member is no more: nothing of its partitions is ours. */
  ended(): void;
  /** There will be no other, for this reason. */
  failed(error: ChangeoverError): void;
  warn(message: string, reason: unknown): void;
  readonly onEvent?: ((event: SubscriptionEvent) => void) | undefined;
}

const REBUILD = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 200, maxDelayMs: 5_000 } as const;
/** So that a member that joins and fails at once does not do so in a hot loop. */
const PAUSE_BEFORE_REBUILD_MS = 300;
/** How long a member that ends with a gap may take to say once more where the group was. */
const RESTORE_MS = 5_000;
/** How much longer than the others wait for it the end of its work is worth waiting for. */
const LATE_MS = 3_000;
/** How long closing waits for work that has begun: whoever closes has waited for it already, or has given it up. */
const CLOSE_MS = 500;

/** Keeps a group's membership: whenever a member has stopped it makes another, until closing or a failure that will not pass. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #closed: Promise<undefined>;
  #member: Member | undefined;
  /** For the next member. */
  #pastGaps: readonly Seek[] = [];

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { closing } = options;
    this.#closed = new Promise((resolve) => {
      closing.addEventListener('abort', () => resolve(undefined), { once: true });
      if (closing.aborted) resolve(undefined);
    });
  }

  get member(): Member | undefined {
    return this.#member;
  }

  get isPastGaps(): boolean {
    return this.#pastGaps.length > 0;
  }

  /** Where the member that has just joined begins behind gaps that are accepted. To be asked once. */
  takePastGaps(assigned: readonly Place[]): readonly Seek[] {
    const ours = new Set(assigned.map(placeOf));
    const seeks = this.#pastGaps.filter((seek) => ours.has(placeOf(seek)));
    this.#pastGaps = [];
    return seeks;
  }

  /** Makes the first member. */
  async begin(): Promise<void> {
    this.#member = await this.#open();
  }

  /** Resolves after the end of the last member. */
  async keep(): Promise<void> {
    const { closing, reading, address } = this.#options;
    try {
      for (let member = this.#member; member !== undefined; member = await this.#rebuild()) {
        this.#member = member;
        const reason = await Promise.race([member.stopped, this.#closed]);
        const committed = reading.lastCommitted();
        this.#member = undefined;
        this.#options.ended();
        if (reason !== undefined) this.#options.onEvent?.({ type: 'member-lost', reason: reason.message });
        if (reason?.code === 'gap') await this.#restore(member, committed);
        await this.#part(member);
        if (reason === undefined) return;
        if (!reason.retryable) throw reason;
        this.#options.warn('lost the consumer group, joining again', reason);
      }
    } catch (error) {
      if (!closing.aborted) this.#options.failed(kafkaError(error, 'read the log', address));
    }
  }

  /** Leaves the group when nothing that was begun is under way any more; where it does not end, without a word. */
  async #part(member: Member): Promise<void> {
    const { claims, clock, warn } = this.#options;
    // One that was given up because its work did not end in time may still leave properly when it ends soon after.
    const late = (): Promise<boolean> =>
      within(
        { clock, ms: LATE_MS },
        claims.settled().then(() => true),
        () => false,
      );
    const settled = claims.handOver().then((isSettled) => isSettled || late());
    const soon = this.#closed.then(() => claims.handOver(CLOSE_MS));
    if (await Promise.race([settled, soon])) return member.close();
    warn(
      'left the consumer group without telling it',
      'what was begun has not ended, in a store or in committing it',
    );
    member.abandon();
    await member.close();
  }

  /**
   * kafkajs may have replaced what the group has committed by "the beginning", when it met the gap. It has to stand until
   * somebody accepts the gap, or the next start would find nothing wrong.
   */
  async #restore(member: Member, committed: Parameters<Member['commit']>[0]): Promise<void> {
    const { clock, warn } = this.#options;
    const restoring = member.commit(committed).catch((error: unknown) => {
      warn('cannot say again where the group was before the gap', error);
    });
    await within({ clock, ms: RESTORE_MS }, restoring, () => {});
  }

  async #rebuild(): Promise<Member> {
    const { claims, clock, closing, warn } = this.#options;
    await clock.sleep(PAUSE_BEFORE_REBUILD_MS, closing);
    // It could not join before.
    await Promise.race([claims.settled(), this.#closed]);
    closing.throwIfAborted();
    return retry(() => this.#open(), {
      policy: REBUILD,
      clock,
      signal: closing,
      onRetry: (error) => warn('cannot join the consumer group, trying again', error),
    });
  }

  async #open(): Promise<Member> {
    const { requireTopics, readWatermarks, acceptGap, openMember, events, reading } = this.#options;
    await requireTopics();
    if (acceptGap === true && readWatermarks !== undefined) {
      this.#pastGaps = reading.pastGaps(await readWatermarks());
    }
    return openMember(events);
  }
}
