import { ChangeoverError, type ErrorCode, messageOf, systemCodeOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';

/** What an error of the client or a broker means to us. */
interface Meaning {
  readonly code: ErrorCode;
  readonly hint?: string;
  readonly retryable?: boolean;
}

const LOOK_AT_BROKERS =
  'Check that the brokers run, that this machine reaches them, and kafka.brokers and kafka.ssl.';
const UNREACHABLE: Meaning = { code: 'unreachable', hint: LOOK_AT_BROKERS };
const TIMEOUT: Meaning = {
  code: 'timeout',
  hint: 'The brokers are slow or hang; look at their load and logs.',
};
const LOGIN: Meaning = {
  code: 'unauthenticated',
  hint: 'Check kafka.saslMechanism, kafka.user and kafka.password.',
};
const FORBIDDEN: Meaning = {
  code: 'forbidden',
  hint: 'Grant kafka.user to create, describe, read and write topics, and to read groups, that start with our prefix.',
};
/** A broker that has just started, or just been told of the topic, says this for a moment. */
const NO_TOPIC: Meaning = {
  code: 'mismatch',
  hint: 'Check the prefix, and whether its topics have been prepared.',
  retryable: true,
};
const REFUSED_SETTING: Meaning = {
  code: 'config',
  hint: 'The cluster refuses to create the topic like this: look at kafka.partitions and kafka.replicationFactor.',
};
const LOST_SEQUENCE: Meaning = {
  code: 'internal',
  hint: 'The broker and this producer disagree on what was written. Publishing again is safe.',
  retryable: true,
};
const CODEC: Meaning = {
  code: 'unsupported',
  hint: 'Only gzip can be read: set compression.type=producer on the topic and see who else writes to it.',
};

/** By the type of a protocol error. Those that are not here and that the protocol calls retriable are passing. */
const BY_TYPE: Readonly<Record<string, Meaning>> = {
  REQUEST_TIMED_OUT: TIMEOUT,
  SASL_AUTHENTICATION_FAILED: LOGIN,
  UNSUPPORTED_SASL_MECHANISM: LOGIN,
  ILLEGAL_SASL_STATE: LOGIN,
  TOPIC_AUTHORIZATION_FAILED: FORBIDDEN,
  GROUP_AUTHORIZATION_FAILED: FORBIDDEN,
  CLUSTER_AUTHORIZATION_FAILED: FORBIDDEN,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: FORBIDDEN,
  UNKNOWN_TOPIC_OR_PARTITION: NO_TOPIC,
  INVALID_REPLICATION_FACTOR: REFUSED_SETTING,
  INVALID_PARTITIONS: REFUSED_SETTING,
  INVALID_CONFIG: REFUSED_SETTING,
  POLICY_VIOLATION: REFUSED_SETTING,
  INVALID_TOPIC_EXCEPTION: {
    code: 'config',
    hint: 'Kafka takes letters, digits, ".", "_" and "-" in a prefix.',
  },
  UNSUPPORTED_VERSION: {
    code: 'unsupported',
    hint: 'Look at the version of the brokers; 4.2 is known to work.',
  },
  UNSUPPORTED_COMPRESSION_TYPE: CODEC,
  MESSAGE_TOO_LARGE: { code: 'change-rejected', hint: "Lower kafka.maxChangeBytes to the topic's limit." },
  RECORD_LIST_TOO_LARGE: {
    code: 'change-rejected',
    hint: "Lower kafka.maxChangeBytes to the topic's limit.",
  },
  KAFKA_STORAGE_ERROR: {
    code: 'no-space',
    hint: "A broker cannot use its disk: look at the brokers' disks and logs.",
    retryable: true,
  },
  OUT_OF_ORDER_SEQUENCE_NUMBER: LOST_SEQUENCE,
  UNKNOWN_PRODUCER_ID: LOST_SEQUENCE,
  INVALID_PRODUCER_EPOCH: LOST_SEQUENCE,
  DUPLICATE_SEQUENCE_NUMBER: LOST_SEQUENCE,
};

/** By the name of the client's error class. */
const BY_NAME: Readonly<Record<string, Meaning>> = {
  KafkaJSConnectionError: UNREACHABLE,
  KafkaJSConnectionClosedError: UNREACHABLE,
  KafkaJSBrokerNotFound: UNREACHABLE,
  KafkaJSNoBrokerAvailableError: UNREACHABLE,
  KafkaJSGroupCoordinatorNotFound: UNREACHABLE,
  KafkaJSMetadataNotLoaded: UNREACHABLE,
  KafkaJSTopicMetadataNotLoaded: UNREACHABLE,
  KafkaJSRequestTimeoutError: TIMEOUT,
  KafkaJSTimeout: TIMEOUT,
  KafkaJSLockTimeout: TIMEOUT,
  KafkaJSSASLAuthenticationError: LOGIN,
  KafkaJSNotImplemented: CODEC,
  KafkaJSServerDoesNotSupportApiKey: {
    code: 'unsupported',
    hint: 'Look at the version of the brokers; 4.2 is known to work.',
  },
};

/** The client wraps what happened, up to three deep; the innermost says it. */
function innermost(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (isRecord(error) && Array.isArray(error.errors) && error.errors.length > 0)
    return innermost(error.errors[0]);
  return error.cause instanceof Error ? innermost(error.cause) : error;
}

function textField(error: unknown, field: string): string | undefined {
  const value = error instanceof Error ? (error as unknown as Record<string, unknown>)[field] : undefined;
  return typeof value === 'string' ? value : undefined;
}

function meaningOf(error: unknown): Meaning {
  const type = protocolTypeOf(error);
  const known = (type === undefined ? undefined : BY_TYPE[type]) ?? BY_NAME[textField(error, 'name') ?? ''];
  if (known !== undefined) return known;
  if (isStumble(error) || (type === undefined && systemCodeOf(error) !== undefined)) return UNREACHABLE;
  const retriable = error instanceof Error && 'retriable' in error && error.retriable === true;
  return retriable ? UNREACHABLE : { code: 'internal' };
}

/**
 * True for an error that is none of the client's own: when a connection breaks at the wrong moment, kafkajs goes on
 * with an answer that is not there, or with a broker that it has just forgotten.
 */
function isStumble(error: unknown): boolean {
  return error instanceof Error && (error.constructor === Error || error instanceof TypeError);
}

/** The type of the protocol error that is at the bottom of what the client threw (`UNKNOWN_MEMBER_ID`). */
export function protocolTypeOf(error: unknown): string | undefined {
  return textField(innermost(error), 'type');
}

/** True when the group has taken this member's generation away: what it commits does not count any more. */
export function isGenerationOver(error: unknown): boolean {
  const type = protocolTypeOf(error);
  return type === 'ILLEGAL_GENERATION' || type === 'UNKNOWN_MEMBER_ID' || type === 'REBALANCE_IN_PROGRESS';
}

/**
 * Our error for what the client threw while `doing` something ("read the topics"). `address` is named when no broker
 * answers and the client does not say which.
 */
export function kafkaError(error: unknown, doing: string, address: string): ChangeoverError {
  if (error instanceof ChangeoverError) return error;
  const inner = innermost(error);
  const { code, hint, retryable } = meaningOf(inner);
  const where =
    code === 'unreachable' || code === 'timeout' ? ` (${textField(inner, 'broker') ?? address})` : '';
  const reason = inner instanceof TypeError ? 'the connection broke' : messageOf(inner);
  return new ChangeoverError(code, `Cannot ${doing}: ${reason}${where}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
    ...(retryable === undefined ? {} : { retryable }),
  });
}
