import { ChangeoverError } from '../../core/errors.ts';
import { groupBy } from '../../core/sequence.ts';
import { encodeChange } from '../../log/encode-change.ts';
import type { Publisher } from '../../log/log.ts';
import { partitionOf } from '../../log/partition.ts';
import { LOG_FIRST_STORE } from '../../producers/shim/log-writer.ts';
import type { Change } from '../../schemas/change.ts';
import { testCodec } from '../support/memory-log.ts';
import { type History, MAX_CHANGE_BYTES } from './history.ts';
import type { Life } from './life.ts';
import { BROKER, PARTITIONS } from './names.ts';
import { unreachable } from './world.ts';

export interface SimPublisherOptions {
  readonly inner: Publisher;
  readonly life: Life;
  readonly history: History;
  readonly confirmsEarly?: boolean;
}

interface Call {
  readonly changes: readonly Change[];
  readonly settled: PromiseWithResolvers<void>;
}

const MAX_CALLS_UNDER_WAY = 6;

/**
 * What log/log.ts promises of a publisher, with everything that it leaves open: calls come into the log in their order, each of them
 * partition by partition, and time passes in between. One that fails may have come in, or a part of it may have; it takes those that
 * waited behind it with it.
 */
export function openPublisher(options: SimPublisherOptions): Publisher {
  const { inner, life, history, confirmsEarly = false } = options;
  const { world } = life;
  const { bug } = world;
  const calls: Call[] = [];
  let room = Promise.withResolvers<void>();
  let busy = false;
  let closed = false;

  const send = (parts: (readonly Change[])[], failsAfter: number, done: (failed: boolean) => void): void => {
    world.timeline.after(0.1 + world.random.delayMs(world.plan.networkMs), () => {
      if (!life.stillArrives()) return;
      if (world.isDown(BROKER)) send(parts, failsAfter, done);
      else if (failsAfter === 0) done(true);
      else {
        const part = parts.shift();
        if (part === undefined) return done(false);
        life.say(`publishes ${part.map(({ kind, key, version }) => `${kind} ${key} ${version}`).join(', ')}`);
        // What has no origin store is committed when it stands in the log.
        for (const change of part) if (change.origin.store === LOG_FIRST_STORE) history.add(change);
        void inner.publish(bug === 'published-backwards' ? part.toReversed() : part).then(() => {
          for (const { eventId } of part) history.published(eventId);
        });
        send(parts, failsAfter - 1, done);
      }
    });
  };

  const next = (): void => {
    const [call] = calls;
    if (call === undefined || busy) return;
    busy = true;
    const places = groupBy(
      call.changes,
      ({ kind, key }) => `${kind} ${partitionOf(Buffer.from(key), PARTITIONS)}`,
    );
    const fails = world.faultsAreOn && world.random.chance(world.plan.faults.publishFailures);
    // All of it may have come in, and only the answer failed to.
    const failsAfter = fails ? world.random.between(0, places.size) : Number.POSITIVE_INFINITY;
    send([...places.values()], failsAfter, (failed) =>
      // Who is told of a failure is told when nothing more is sent: there is no time in between.
      life.tell(0.1 + world.random.delayMs(world.plan.networkMs), () => {
        const all = failed && bug !== 'overtaken-after-failure';
        const settled = calls.splice(0, all ? calls.length : 1);
        if (failed) life.say(`${settled.length} calls of publish fail`);
        for (const { settled: told } of settled) failed ? told.reject(unreachable(BROKER)) : told.resolve();
        busy = false;
        room.resolve();
        room = Promise.withResolvers();
        next();
      }),
    );
  };

  return {
    publish(changes) {
      if (closed) return Promise.reject(new ChangeoverError('aborted', 'The publisher is closed.'));
      try {
        for (const change of changes) encodeChange(testCodec, change, MAX_CHANGE_BYTES);
      } catch (error) {
        return life.hear(Promise.reject(error), 0.1);
      }
      const settled = Promise.withResolvers<void>();
      calls.push({ changes, settled });
      next();
      if (!confirmsEarly) return settled.promise;
      settled.promise.catch(() => {});
      return life.hear(Promise.resolve(), 0.1);
    },
    async ready() {
      while (calls.length > MAX_CALLS_UNDER_WAY) await life.hear(room.promise, 0.1);
    },
    async close() {
      closed = true;
      while (calls.length > 0) await life.hear(room.promise, 0.1);
    },
  };
}
