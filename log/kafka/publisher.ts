import type { Clock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Change } from '../../schemas/change.ts';
import type { Codec } from '../../schemas/codec.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { encodeChange } from '../encode-change.ts';
import type { Publisher } from '../log.ts';
import { partitionOf } from '../partition.ts';
import { within } from './deadline.ts';
import { type Lane, MAX_BATCH_RECORDS } from './lane.ts';
import type { LaneMessage } from './lane-producer.ts';

export interface PublisherOptions {
  readonly lanes: readonly Lane[];
  readonly topics: ReadonlyMap<Kind, string>;
  readonly partitions: number;
  readonly codec: Codec;
  readonly maxChangeBytes: number;
  readonly maxBatchBytes: number;
  readonly maxInFlightBytes: number;
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
}

/** A parcel that is still being filled. */
interface Draft {
  readonly kind: Kind;
  readonly partition: number;
  readonly messages: LaneMessage[];
  bytes: number;
}

interface WaitingCall {
  readonly start: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Spreads changes over lanes. A topic's partition always takes the same lane, so a key does, and the lane keeps its
 * order. A call that waits because too much is under way holds back all calls behind it, or those could overtake it;
 * for the same reason a failure rejects the calls that wait.
 */
export class KafkaPublisher implements Publisher {
  readonly #options: PublisherOptions;
  readonly #waiting: WaitingCall[] = [];
  #inFlightBytes = 0;
  #closing: Promise<void> | undefined;
  /** Set while closing: called when nothing is under way any more. */
  #onIdle: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish(changes: readonly Change[]): Promise<void> {
    if (this.#closing !== undefined) {
      return Promise.reject(new ChangeoverError('aborted', 'The publisher is closed.'));
    }
    if (changes.length === 0) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const start = (): void => this.#start(changes, resolve, reject);
    // Nobody waits while there is room: whoever makes room lets them in at once.
    if (this.#hasRoom()) start();
    else this.#waiting.push({ start, reject });
    return promise;
  }

  ready(): Promise<void> {
    if (this.#hasRoom()) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ start: resolve, reject });
    return promise;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { lanes, clock, closeTimeoutMs } = this.#options;
    if (this.#inFlightBytes > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      await within({ clock, ms: closeTimeoutMs }, idle, () => {
        const late = new ChangeoverError(
          'aborted',
          'The publisher was closed before Kafka confirmed everything.',
        );
        for (const lane of lanes) lane.abandon(late);
      });
    }
    await Promise.all(lanes.map((lane) => lane.close()));
  }

  #hasRoom(): boolean {
    return this.#inFlightBytes < this.#options.maxInFlightBytes;
  }

  /** Runs to its end without a pause: between being let in and being queued nobody can come in between. */
  #start(changes: readonly Change[], resolve: () => void, reject: (error: unknown) => void): void {
    let drafts: readonly Draft[];
    try {
      drafts = this.#draft(changes);
    } catch (error) {
      reject(error);
      return;
    }
    let left = drafts.length;
    let failure: { readonly error: unknown } | undefined;
    this.#inFlightBytes += drafts.reduce((sum, draft) => sum + draft.bytes, 0);
    for (const draft of drafts) {
      this.#laneOf(draft).enqueue({
        topic: this.#topicOf(draft.kind),
        partition: draft.partition,
        messages: draft.messages,
        bytes: draft.bytes,
        settle: (error) => {
          if (error !== undefined) failure ??= { error };
          left -= 1;
          if (left === 0) {
            if (failure === undefined) resolve();
            else reject(failure.error);
          }
          if (error !== undefined) this.#rejectWaiting(error);
          this.#give(draft.bytes);
        },
      });
    }
  }

  /** Encodes everything and refuses what is too large, before anything is sent. */
  #draft(changes: readonly Change[]): readonly Draft[] {
    const { codec, partitions, maxBatchBytes, maxChangeBytes } = this.#options;
    const drafts: Draft[] = [];
    const open = new Map<string, Draft>();
    for (const change of changes) {
      const { key, value, bytes } = encodeChange(codec, change, maxChangeBytes);
      const partition = partitionOf(key, partitions);
      const id = `${change.kind}/${partition}`;
      let draft = open.get(id);
      if (
        draft === undefined ||
        draft.messages.length === MAX_BATCH_RECORDS ||
        draft.bytes + bytes > maxBatchBytes
      ) {
        draft = { kind: change.kind, partition, messages: [], bytes: 0 };
        open.set(id, draft);
        drafts.push(draft);
      }
      draft.messages.push({ key, value, partition });
      draft.bytes += bytes;
    }
    return drafts;
  }

  #laneOf({ kind, partition }: Draft): Lane {
    const { lanes } = this.#options;
    const lane = lanes[(KINDS.indexOf(kind) + partition) % lanes.length];
    if (lane === undefined) throw new ChangeoverError('internal', 'A publisher without lanes.');
    return lane;
  }

  #topicOf(kind: Kind): string {
    const topic = this.#options.topics.get(kind);
    if (topic === undefined) throw new ChangeoverError('internal', `No topic for ${kind}.`);
    return topic;
  }

  #give(bytes: number): void {
    this.#inFlightBytes -= bytes;
    while (this.#hasRoom()) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      next.start();
    }
    if (this.#inFlightBytes === 0) this.#onIdle?.();
  }

  #rejectWaiting(error: unknown): void {
    for (const call of this.#waiting.splice(0)) call.reject(error);
  }
}
