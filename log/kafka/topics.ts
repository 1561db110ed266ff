import type { ITopicConfig } from 'kafkajs';
import { ChangeoverError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import { KINDS, type SchemaName, topicOf } from '../../schemas/kinds.ts';
import { RECORD_OVERHEAD_BYTES } from '../../schemas/record-size.ts';
import { WORK_LOTS } from '../work-codec.ts';
import { isMismatch, type KafkaAdmin } from './admin.ts';
import type { KafkaOptions } from './options.ts';

type CleanupPolicy = 'delete' | 'compact';

/** A topic as this configuration wants it. */
export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  /** Whether it has so many partitions whatever is configured. */
  readonly isFixed?: boolean;
  readonly cleanup: CleanupPolicy;
  /** What is set when we create it, and left alone when it is there: operators may tune it. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The brokers' own default of max.message.bytes. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;
/** kafkajs has an enum for it that an ES module cannot import by name. */
const TOPIC_RESOURCE = 2;
const SETTLE = { attempts: 20, initialDelayMs: 50, maxDelayMs: 500 } as const;

export function specOf(name: SchemaName, prefix: string, options: KafkaOptions): TopicSpec {
  const topic = topicOf(prefix, name);
  const settings = {
    'max.message.bytes': `${Math.max(DEFAULT_MAX_MESSAGE_BYTES, options.maxChangeBytes + RECORD_OVERHEAD_BYTES)}`,
    // With three copies, one broker may be missing and a confirmed change is still on two.
    ...(options.replicationFactor >= 3 ? { 'min.insync.replicas': '2' } : {}),
  };
  if (name === 'control') {
    // One partition: one order over all facts. Small segments, because only a finished segment is compacted.
    const compaction = { 'segment.ms': '3600000', 'min.cleanable.dirty.ratio': '0.1' };
    return {
      name: topic,
      partitions: 1,
      isFixed: true,
      cleanup: 'compact',
      settings: { ...settings, ...compaction },
    };
  }
  if (name === 'work') {
    // Little is in it, and what has expired before it was done would never be done.
    const keeping = { 'retention.ms': '-1', 'retention.bytes': '-1' };
    return {
      name: topic,
      partitions: WORK_LOTS,
      isFixed: true,
      cleanup: 'delete',
      settings: { ...settings, ...keeping },
    };
  }
  // A dead letter that expires is a loss that nobody has looked at; their number is bounded where they are written.
  const retentionMs = name === 'dead-letter' ? -1 : options.retentionMs;
  return {
    name: topic,
    partitions: options.partitions,
    cleanup: 'delete',
    settings: { ...settings, 'retention.ms': `${retentionMs}`, 'retention.bytes': '-1' },
  };
}

export function allSpecs(prefix: string, options: KafkaOptions): readonly TopicSpec[] {
  const names: readonly SchemaName[] = [...KINDS, 'control', 'dead-letter', 'work'];
  return names.map((name) => specOf(name, prefix, options));
}

/** Creates what is missing and checks everything; throws `mismatch` for what is there and is not as it should be. */
export async function prepareTopics(
  admin: KafkaAdmin,
  specs: readonly TopicSpec[],
  replicationFactor: number,
): Promise<void> {
  const there = new Set(await admin.ask('list the topics', (kafka) => kafka.listTopics()));
  const missing = specs.filter((spec) => !there.has(spec.name));
  if (missing.length > 0) {
    const topics = missing.map((spec) => creation(spec, replicationFactor));
    await admin.ask('create the topics', (kafka) => kafka.createTopics({ topics, waitForLeaders: false }));
  }
  // Brokers hear of a new topic one after the other.
  await retry(() => requireTopics(admin, specs), {
    policy: SETTLE,
    retryable: (error) => missing.length > 0 && error instanceof MissingTopics,
  });
  await requireCleanup(admin, specs);
}

function creation(spec: TopicSpec, replicationFactor: number): ITopicConfig {
  const settings = { ...spec.settings, 'cleanup.policy': spec.cleanup };
  return {
    topic: spec.name,
    numPartitions: spec.partitions,
    replicationFactor,
    configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
  };
}

class MissingTopics extends ChangeoverError {
  constructor(names: readonly string[], cause: unknown) {
    const text = names.length === 0 ? '' : `: ${names.join(', ')}`;
    super('mismatch', `Topics are missing${text}.`, {
      hint: 'Check the prefix, whether its topics have been prepared, and the rights of kafka.user.',
      cause,
    });
  }
}

/**
 * Throws `mismatch` unless the topics are there with the partitions that they should have; `gap` where one of them has another
 * number than its siblings, because somebody has changed it: what comes is no more in the order of what came.
 */
export async function requireTopics(admin: KafkaAdmin, specs: readonly TopicSpec[]): Promise<void> {
  const topics = specs.map((spec) => spec.name);
  const found = await describe(admin, topics);
  const isRight = (spec: TopicSpec): boolean => (found.get(spec.name) ?? spec.partitions) === spec.partitions;
  const wrong = specs.find((spec) => !isRight(spec));
  if (wrong === undefined) return;
  const partitions = found.get(wrong.name);
  // By itself Changeover makes all topics of changes alike.
  const isChanged = !wrong.isFixed && specs.some((spec) => !spec.isFixed && isRight(spec));
  throw new ChangeoverError(
    isChanged ? 'gap' : 'mismatch',
    `Topic ${wrong.name} has ${partitions} partitions, not ${wrong.partitions}: equal keys would no longer be in one partition.`,
    { hint: isChanged ? REMAKE : partitionsHint(wrong, partitions) },
  );
}

const REMAKE =
  'Its partitions were changed. Delete the topic, let it be made again and backfill its kind, or choose another prefix and backfill into it.';

function partitionsHint(spec: TopicSpec, partitions: number | undefined): string {
  if (spec.isFixed) return 'Choose another prefix: this topic was not made by changeover.';
  return `Where all topics of the prefix have so many, set kafka.partitions to ${partitions}. ${REMAKE}`;
}

async function describe(admin: KafkaAdmin, topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
  try {
    const metadata = await admin.ask('read the topics', (kafka) =>
      kafka.fetchTopicMetadata({ topics: [...topics] }),
    );
    return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
  } catch (error) {
    if (!isMismatch(error)) throw error;
    const there = new Set(await admin.ask('list the topics', (kafka) => kafka.listTopics()));
    throw new MissingTopics(
      topics.filter((topic) => !there.has(topic)),
      error,
    );
  }
}

async function requireCleanup(admin: KafkaAdmin, specs: readonly TopicSpec[]): Promise<void> {
  const policies = await readSetting(admin, 'cleanup.policy', specs);
  for (const spec of specs) {
    const policy = policies.get(spec.name);
    if (policy === undefined || policy === spec.cleanup) continue;
    throw new ChangeoverError(
      'mismatch',
      `Topic ${spec.name} has cleanup.policy=${policy}, not ${spec.cleanup}.`,
      {
        hint:
          spec.cleanup === 'delete'
            ? 'Compaction loses the history that restore and replay need: set cleanup.policy=delete on the topic.'
            : 'Set cleanup.policy=compact on the topic, or what it knows will expire.',
      },
    );
  }
}

/**
 * The greatest record that each of these topics takes. Where we may not read the settings, the brokers' default; a
 * broker with a lower limit then refuses the batch by itself.
 */
export async function readMaxRecordBytes(admin: KafkaAdmin, specs: readonly TopicSpec[]): Promise<number> {
  try {
    const limits = await readSetting(admin, 'max.message.bytes', specs);
    const bytes = Math.min(...Array.from(limits.values(), Number));
    return Number.isFinite(bytes) ? bytes : DEFAULT_MAX_MESSAGE_BYTES;
  } catch (error) {
    if (error instanceof ChangeoverError && error.code === 'forbidden') return DEFAULT_MAX_MESSAGE_BYTES;
    throw error;
  }
}

async function readSetting(
  admin: KafkaAdmin,
  setting: string,
  specs: readonly TopicSpec[],
): Promise<ReadonlyMap<string, string>> {
  const { resources } = await admin.ask('read the settings of the topics', (kafka) =>
    kafka.describeConfigs({
      includeSynonyms: false,
      resources: specs.map(({ name }) => ({ type: TOPIC_RESOURCE, name, configNames: [setting] })),
    }),
  );
  return new Map(
    resources.flatMap(({ resourceName, configEntries }) => {
      const value = configEntries.find(({ configName }) => configName === setting)?.configValue;
      return value === undefined ? [] : [[resourceName, value] as const];
    }),
  );
}
