import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import type { LogContext } from '../context.ts';
import type {
  Log,
  LogPlace,
  LogRecord,
  PartitionPosition,
  Publisher,
  SubscribeOptions,
  Subscription,
} from '../log.ts';
import { openAdmin } from './admin.ts';
import { readArrivals } from './arrivals.ts';
import { prepareClients } from './client.ts';
import type { KafkaControl } from './control.ts';
import type { KafkaDeadLetters } from './dead-letters.ts';
import {
  groupIdOf,
  MAX_BATCH_BYTES,
  newLane,
  openReader,
  type Parts,
  specsOf,
  topicsOf,
} from './facilities.ts';
import { requireNoGap } from './gap.ts';
import type { KafkaOptions } from './options.ts';
import { openControl, openDeadLetters, openWork } from './own-topics.ts';
import { countMembers, offsetsAt, readPositions } from './positions.ts';
import { KafkaPublisher } from './publisher.ts';
import { readPlaces } from './read-places.ts';
import { allSpecs, prepareTopics, readMaxRecordBytes, requireTopics } from './topics.ts';
import { readWatermarks, type Watermarks } from './watermarks.ts';
import type { KafkaWork } from './work.ts';

/**
 * The log on Kafka. Throws within `openTimeoutMs` when no broker answers, naming the address. A log makes one
 * connection for questions; each publisher makes one per lane and broker, each subscription two per broker: share them.
 */
export async function openKafkaLog(options: KafkaOptions, context: LogContext): Promise<Log> {
  const logger = context.logger.child({ component: 'log' });
  const clients = await prepareClients(options, logger, context.clock);
  const admin = await openAdmin(clients, options.openTimeoutMs);
  return new KafkaLog({ options, context: { ...context, logger }, clients, admin });
}

class KafkaLog implements Log {
  readonly control: KafkaControl;
  readonly deadLetters: KafkaDeadLetters;
  readonly work: KafkaWork;
  readonly #parts: Parts;
  readonly #open = new Set<Closable>();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.control = openControl(parts);
    this.deadLetters = openDeadLetters(parts);
    this.work = openWork(parts);
  }

  async prepare(): Promise<void> {
    this.#refuseClosed();
    const { admin, context, options } = this.#parts;
    await prepareTopics(admin, allSpecs(context.prefix, options), options.replicationFactor);
  }

  async publisher(): Promise<Publisher> {
    this.#refuseClosed();
    const { admin, context, options } = this.#parts;
    const specs = specsOf(this.#parts, KINDS);
    await requireTopics(admin, specs);
    const maxRecordBytes = Math.min(options.maxChangeBytes, await readMaxRecordBytes(admin, specs));
    const maxBatchBytes = Math.min(MAX_BATCH_BYTES, maxRecordBytes);
    const lanes = Array.from({ length: options.lanes }, () => newLane(this.#parts, maxBatchBytes));
    const publisher = new KafkaPublisher({
      ...options,
      lanes,
      topics: topicsOf(this.#parts, KINDS),
      codec: context.codec,
      clock: context.clock,
      maxChangeBytes: maxRecordBytes,
      maxBatchBytes,
    });
    await this.#adopt(publisher);
    try {
      await Promise.all(lanes.map((lane) => lane.open()));
    } catch (error) {
      await publisher.close();
      throw error;
    }
    return publisher;
  }

  async subscribe({ kinds, ...options }: SubscribeOptions): Promise<Subscription> {
    this.#refuseClosed();
    const { admin } = this.#parts;
    const query = {
      topics: [...topicsOf(this.#parts, kinds).values()],
      groupId: groupIdOf(this.#parts, options.group),
    };
    const watermarks = (): Promise<readonly Watermarks[]> => readWatermarks(admin, query);
    await requireTopics(admin, specsOf(this.#parts, kinds));
    if (!options.acceptGap) requireNoGap(await watermarks());
    const subscription = await openReader<Kind>(this.#parts, {
      ...options,
      names: kinds,
      readWatermarks: watermarks,
    });
    await this.#adopt(subscription);
    return subscription;
  }

  async positions(kinds: readonly Kind[], group?: string): Promise<readonly PartitionPosition[]> {
    this.#refuseClosed();
    await requireTopics(this.#parts.admin, specsOf(this.#parts, kinds));
    const groupId = group === undefined ? undefined : groupIdOf(this.#parts, group);
    return readPositions(this.#parts.admin, { topics: topicsOf(this.#parts, kinds), groupId });
  }

  async arrivals(places: readonly LogPlace[]): Promise<readonly (number | undefined)[]> {
    this.#refuseClosed();
    const { admin, context } = this.#parts;
    const kinds = [...new Set(places.map(({ kind }) => kind))];
    const nowMs = context.clock.nowUs() / 1_000;
    const found = new Map<LogPlace, number | undefined>();
    await Promise.all(
      Array.from(topicsOf(this.#parts, kinds), async ([kind, topic]) => {
        const ours = places.filter((place) => place.kind === kind);
        const arrived = await readArrivals(ours, offsetsAt(admin, topic), nowMs);
        for (const [index, place] of ours.entries()) found.set(place, arrived[index]);
      }),
    );
    return places.map((place) => found.get(place));
  }

  async members(group: string): Promise<number> {
    this.#refuseClosed();
    return countMembers(this.#parts.admin, groupIdOf(this.#parts, group));
  }

  async records(places: readonly LogPlace[]): Promise<readonly (LogRecord | undefined)[]> {
    this.#refuseClosed();
    const { admin, clients, options } = this.#parts;
    const kinds = [...new Set(places.map(({ kind }) => kind))];
    if (kinds.length === 0) return [];
    await requireTopics(admin, specsOf(this.#parts, kinds));
    const groupPrefix = groupIdOf(this.#parts, 'records.');
    const { sessionTimeoutMs } = options;
    return readPlaces(
      { admin, clients, topics: topicsOf(this.#parts, kinds), groupPrefix, sessionTimeoutMs },
      places,
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const readersAndWriters = [...this.#open, this.work, this.control, this.deadLetters];
    const closed = await Promise.allSettled(readersAndWriters.map((closable) => closable.close()));
    await this.#parts.admin.close();
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new ChangeoverError('aborted', 'The log is closed.');
  }

  /** From now on closed with the log; at once when the log was closed while this was being opened. */
  async #adopt(closable: Closable): Promise<void> {
    this.#open.add(closable);
    if (this.#closing === undefined) return;
    await closable.close();
    this.#refuseClosed();
  }
}
