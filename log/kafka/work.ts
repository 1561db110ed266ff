import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import { RECORD_OVERHEAD_BYTES } from '../../schemas/record-size.ts';
import type { SubscriptionEvent, WorkItem, WorkMember, WorkTopic } from '../log.ts';
import { WORK_LOTS, type WorkCodec } from '../work-codec.ts';
import { WorkMembership, type WorkReaderEvents } from '../work-membership.ts';
import { within } from './deadline.ts';
import type { Lane } from './lane.ts';
import type { MemberEvents } from './member.ts';
import type { TopicRecord } from './records.ts';
import type { KafkaSubscription } from './subscription.ts';

/** What hears of a membership beside its subscription. */
export interface WorkListeners {
  readonly onEvent: (event: SubscriptionEvent) => void;
  /** What the subscription hears of its members, heard before it. */
  readonly heard: (events: MemberEvents) => MemberEvents;
}

export interface KafkaWorkOptions {
  readonly topic: string;
  readonly codec: WorkCodec;
  readonly lane: Lane;
  /** Throws `mismatch` when the topic is not there. */
  readonly requireTopic: () => Promise<void>;
  readonly subscribe: (crew: string, listeners: WorkListeners) => Promise<KafkaSubscription<'work'>>;
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
}

/** Items are written through a lane of their own; a crew is a consumer group, and a lot a partition. */
export class KafkaWork implements WorkTopic, Closable {
  readonly lots = WORK_LOTS;
  readonly #options: KafkaWorkOptions;
  readonly #members = new Set<WorkMember>();
  #closed = false;

  constructor(options: KafkaWorkOptions) {
    this.#options = options;
  }

  async write(crew: string, items: readonly WorkItem[]): Promise<void> {
    this.#refuseClosed();
    const { codec, clock, requireTopic } = this.#options;
    await requireTopic();
    await Promise.all(items.map((item) => this.#send(codec.encode(crew, item, clock.nowUs()))));
  }

  async join(crew: string): Promise<WorkMember> {
    this.#refuseClosed();
    const { codec, subscribe } = this.#options;
    const open = (events: WorkReaderEvents): Promise<KafkaSubscription<'work'>> =>
      subscribe(crew, listenersFor(events));
    const onClosed = (closed: WorkMember): boolean => this.#members.delete(closed);
    const member = await WorkMembership.open<TopicRecord<'work'>>({ crew, codec, open, onClosed });
    this.#members.add(member);
    if (this.#closed) {
      await member.close();
      this.#refuseClosed();
    }
    return member;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const { lane, clock, closeTimeoutMs } = this.#options;
    await Promise.all(Array.from(this.#members, (member) => member.close()));
    await within({ clock, ms: closeTimeoutMs }, lane.close(), () => {
      lane.abandon(new ChangeoverError('aborted', 'The log was closed before Kafka confirmed the work.'));
    });
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ChangeoverError('aborted', 'The log is closed.');
  }

  async #send({ partition, key, value }: ReturnType<WorkCodec['encode']>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { lane, topic } = this.#options;
    lane.enqueue({
      topic,
      partition,
      messages: [{ key, value, partition }],
      bytes: key.byteLength + value.byteLength + RECORD_OVERHEAD_BYTES,
      settle: (error) => (error === undefined ? resolve() : reject(error)),
    });
    await promise;
  }
}

function listenersFor(events: WorkReaderEvents): WorkListeners {
  return {
    onEvent: ({ type }) => {
      if (type === 'member-lost' || type === 'lease-expired') events.lost();
    },
    heard: (inner) => ({
      ...inner,
      joined: (assigned) => {
        events.assigned(assigned.map(({ partition }) => partition));
        inner.joined(assigned);
      },
    }),
  };
}
