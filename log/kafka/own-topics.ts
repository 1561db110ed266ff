import { randomUUID } from 'node:crypto';
import { topicOf } from '../../schemas/kinds.ts';
import { createControlCodec } from '../control-codec.ts';
import { createDeadLetterCodec } from '../dead-letter-codec.ts';
import { createWorkCodec } from '../work-codec.ts';
import { KafkaControl } from './control.ts';
import { KafkaDeadLetters } from './dead-letters.ts';
import { groupIdOf, MAX_BATCH_BYTES, newLane, openReader, type Parts, specsOf } from './facilities.ts';
import { topicOffsets } from './offsets.ts';
import { readEnds } from './positions.ts';
import { readMaxRecordBytes, requireTopics } from './topics.ts';
import { readWatermarks } from './watermarks.ts';
import { KafkaWork } from './work.ts';

/**
 * Who shares work and was killed is missed for as long as a session lasts, and what it had stands still meanwhile. Work that
 * is begun twice because of a long pause is only done twice, so the session may be shorter than where stores are fed.
 */
const WORK_SESSION_MS = 10_000;

export function openControl(parts: Parts): KafkaControl {
  const { admin, context, options } = parts;
  const { clock, prefix, writer } = context;
  const topic = topicOf(prefix, 'control');
  return new KafkaControl({
    topic,
    codec: createControlCodec(),
    writer,
    maxRecordBytes: options.maxChangeBytes,
    lane: newLane(parts),
    requireTopic: () => requireTopics(admin, specsOf(parts, ['control'])),
    subscribe: () => openReader(parts, { group: `control.${randomUUID()}`, names: ['control'] }),
    readEnds: async () => {
      const [offsets] = await topicOffsets(admin, topic);
      return { start: offsets?.start ?? 0, end: offsets?.end ?? 0 };
    },
    closeTimeoutMs: options.closeTimeoutMs,
    clock,
  });
}

export function openDeadLetters(parts: Parts): KafkaDeadLetters {
  const { admin, context, options } = parts;
  const { clock, logger, prefix } = context;
  const topic = topicOf(prefix, 'dead-letter');
  const specs = specsOf(parts, ['dead-letter']);
  return new KafkaDeadLetters({
    topic,
    codec: createDeadLetterCodec(prefix),
    lane: newLane(parts),
    maxBatchBytes: MAX_BATCH_BYTES,
    readMaxRecordBytes: async () => {
      await requireTopics(admin, specs);
      return readMaxRecordBytes(admin, specs);
    },
    readEnds: () => readEnds(admin, topic),
    subscribe: () => openReader(parts, { group: `dead-letters.${randomUUID()}`, names: ['dead-letter'] }),
    closeTimeoutMs: options.closeTimeoutMs,
    clock,
    logger,
  });
}

export function openWork(parts: Parts): KafkaWork {
  const { admin, context, options } = parts;
  const topic = topicOf(context.prefix, 'work');
  return new KafkaWork({
    topic,
    codec: createWorkCodec(context.writer),
    lane: newLane(parts),
    requireTopic: () => requireTopics(admin, specsOf(parts, ['work'])),
    subscribe: async (crew, listeners) => {
      await requireTopics(admin, specsOf(parts, ['work']));
      return openReader(parts, {
        group: crew,
        names: ['work'],
        readWatermarks: () => readWatermarks(admin, { topics: [topic], groupId: groupIdOf(parts, crew) }),
        sessionTimeoutMs: Math.min(options.sessionTimeoutMs, WORK_SESSION_MS),
        ...listeners,
      });
    },
    closeTimeoutMs: options.closeTimeoutMs,
    clock: context.clock,
  });
}
