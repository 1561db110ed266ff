import type { KafkaMessage } from 'kafkajs';
import { systemClock } from '../../core/clock.ts';
import type { ChangeoverError } from '../../core/errors.ts';
import type { Member, MemberEvents, Place } from '../../log/kafka/member.ts';
import { Pulse } from '../../log/kafka/pulse.ts';
import type { Seek } from '../../log/kafka/reading.ts';
import type { Committed } from '../../log/kafka/watermarks.ts';

/** A member of a group that does what the test says, and nothing by itself. */
export class FakeMember implements Member {
  readonly pulse: Pulse;
  readonly seeks: Seek[] = [];
  readonly commits: (Place & Committed)[] = [];
  closed = false;
  abandoned = false;
  /** Whether reading has been sent elsewhere since the last fetch. */
  stale = false;
  /** What becomes of a commit. */
  onCommit: () => void = () => {};
  readonly #events: MemberEvents;
  readonly #stopped = Promise.withResolvers<ChangeoverError>();
  #living: NodeJS.Timeout | undefined;

  constructor(events: MemberEvents, sessionTimeoutMs: number) {
    this.#events = events;
    this.pulse = new Pulse({ clock: systemClock, sessionTimeoutMs });
  }

  get stopped(): Promise<ChangeoverError> {
    return this.#stopped.promise;
  }

  join(...places: readonly Place[]): void {
    this.pulse.joined(0);
    this.#events.joined(places);
  }

  /** From now on the group answers, and fetches as well, until `die`. */
  live({ fetching }: { readonly fetching: boolean }): void {
    this.#living = setInterval(() => {
      this.pulse.confirmed(0);
      if (fetching) this.pulse.fetched();
    }, 10);
  }

  die(): void {
    clearInterval(this.#living);
  }

  async deliver(place: Place, first: number, count: number, value = 'x'): Promise<void> {
    const messages = Array.from({ length: count }, (_, index) => messageAt(first + index, value));
    const given = this.pulse.handling();
    await this.#events.fetched({
      ...place,
      messages,
      hidden: [],
      nextOffset: first + count,
      heartbeat: async () => {},
      isStale: () => this.stale,
      taken: () => {},
    });
    given();
  }

  seek(place: Place, offset: number): void {
    this.seeks.push({ ...place, offset });
  }

  async commit(offsets: readonly (Place & Committed)[]): Promise<void> {
    this.onCommit();
    this.commits.push(...offsets);
  }

  end(reason: ChangeoverError): void {
    this.#stopped.resolve(reason);
  }

  /** Asks for its part of a new sharing out, which it gets with `join`. */
  askToJoin(): Promise<void> {
    return this.#events.joining();
  }

  abandon(): void {
    this.abandoned = true;
  }

  async close(): Promise<void> {
    this.die();
    this.closed = true;
  }
}

function messageAt(offset: number, value: string): KafkaMessage {
  return {
    key: Buffer.from(`key ${offset}`),
    value: Buffer.from(value),
    timestamp: '1',
    attributes: 0,
    offset: `${offset}`,
    headers: {},
  };
}
