import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import kafkajs from 'kafkajs';
import { ChangeoverError, type ErrorCode } from '../../core/errors.ts';
import { isGenerationOver, kafkaError } from '../../log/kafka/errors.ts';

const {
  KafkaJSAggregateError,
  KafkaJSConnectionError,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  KafkaJSSASLAuthenticationError,
} = kafkajs;

interface Fields {
  readonly type: string;
  readonly retriable?: boolean;
}

function protocolError({ type, retriable = false }: Fields): Error {
  return new KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 1, retriable }));
}

/** Typed more narrowly by kafkajs than it is. */
const make = <E extends Error>(Class: new (...args: never[]) => E, ...args: readonly unknown[]): E =>
  new Class(...(args as never[]));

describe('the errors of Kafka', () => {
  const refused = make(KafkaJSConnectionError, 'Connection error', {
    broker: 'b:9092',
    code: 'ECONNREFUSED',
  });
  const cases: readonly (readonly [string, Error, ErrorCode, boolean])[] = [
    ['a refused connection', refused, 'unreachable', true],
    [
      'a socket error that kafkajs did not wrap',
      Object.assign(new Error('x'), { code: 'EPIPE' }),
      'unreachable',
      true,
    ],
    [
      'a stumble over a broken connection',
      new TypeError('Cannot read properties of null'),
      'unreachable',
      true,
    ],
    ['an election', protocolError({ type: 'LEADER_NOT_AVAILABLE', retriable: true }), 'unreachable', true],
    [
      'a coordinator that loads',
      protocolError({ type: 'GROUP_LOAD_IN_PROGRESS', retriable: true }),
      'unreachable',
      true,
    ],
    ['a slow broker', protocolError({ type: 'REQUEST_TIMED_OUT', retriable: true }), 'timeout', true],
    ['a wrong password', make(KafkaJSSASLAuthenticationError, 'no'), 'unauthenticated', false],
    ['a missing right', protocolError({ type: 'TOPIC_AUTHORIZATION_FAILED' }), 'forbidden', false],
    ['a codec', make(KafkaJSNotImplemented, 'Snappy compression not implemented'), 'unsupported', false],
    [
      'an unknown topic',
      protocolError({ type: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true }),
      'mismatch',
      true,
    ],
    ['too large a message', protocolError({ type: 'MESSAGE_TOO_LARGE' }), 'change-rejected', false],
    ['too few brokers', protocolError({ type: 'INVALID_REPLICATION_FACTOR' }), 'config', false],
    ['a full disk', protocolError({ type: 'KAFKA_STORAGE_ERROR', retriable: true }), 'no-space', true],
    ['a lost sequence', protocolError({ type: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }), 'internal', true],
    ['anything else that will not pass', protocolError({ type: 'INVALID_REQUEST' }), 'internal', false],
  ];

  for (const [name, error, code, retryable] of cases) {
    it(`calls ${name} ${code}, ${retryable ? 'worth' : 'not worth'} trying again, also when it is wrapped`, () => {
      const wrapped = make(KafkaJSNonRetriableError, error, { cause: error });
      const twice = make(KafkaJSNumberOfRetriesExceeded, wrapped, { retryCount: 5, retryTime: 1 });
      const aggregate = make(KafkaJSAggregateError, 'Topic creation errors', [error]);
      for (const thrown of [error, wrapped, twice, aggregate]) {
        const ours = kafkaError(thrown, 'do it', 'first:9092');
        assert.ok(ours instanceof ChangeoverError);
        assert.deepEqual([ours.code, ours.retryable], [code, retryable]);
        assert.match(ours.message, /^Cannot do it: /);
        assert.equal(ours.cause, thrown);
      }
    });
  }

  it('names the broker that does not answer, or else the configured ones', () => {
    assert.match(kafkaError(refused, 'do it', 'first:9092').message, /\(b:9092\)$/);
    assert.match(kafkaError(new TypeError('x'), 'do it', 'first:9092').message, /\(first:9092\)$/);
  });

  it('leaves our own errors as they are', () => {
    const ours = new ChangeoverError('gap', 'text');
    assert.equal(kafkaError(ours, 'do it', 'first:9092'), ours);
  });

  it('knows when a generation is over, also when it is wrapped', () => {
    const unknown = protocolError({ type: 'UNKNOWN_MEMBER_ID' });
    assert.ok(isGenerationOver(unknown));
    assert.ok(isGenerationOver(make(KafkaJSNonRetriableError, unknown, { cause: unknown })));
    assert.ok(!isGenerationOver(refused));
  });
});
