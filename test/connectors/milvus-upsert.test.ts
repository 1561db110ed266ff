import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCalls } from '../../connectors/milvus/calls.ts';
import { createUpsert } from '../../connectors/milvus/upsert.ts';
import type { Clock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { sampleEntity } from '../support/entities.ts';

const patient: Clock = { nowUs: () => 0, elapsedMs: () => 0, sleep: async () => {} };
const ROWS = [{ version: 7, embedding: sampleEntity('embedding', { name: 'one' }) }];
const DONE = { status: { error_code: 'Success', code: 0 }, upsert_cnt: '1', err_index: [] };
const status = (code: number, reason = 'planted') => ({
  status: { error_code: 'UnexpectedError', code, reason },
});
const field = (name: string, dataType: number, more: object = {}) => ({ name, dataType, ...more });
const FIELDS = [
  field('id', 21),
  field('agent_id', 21),
  field('vector', 101, { dim: '8' }),
  field('version', 5),
  field('metadata', 23),
];

/** What no real server can be made to do: to refuse our bytes and to take those of the client's types. */
function upsertOver({
  wire,
  named = [DONE],
  fields = FIELDS,
  timestamps = ['0'],
  says = true,
  isDynamic = false,
}: {
  readonly wire: readonly unknown[];
  readonly named?: readonly unknown[];
  readonly fields?: readonly object[];
  readonly timestamps?: readonly string[];
  readonly says?: boolean;
  readonly isDynamic?: boolean;
}) {
  const asked = { wire: 0, named: 0, described: 0 };
  const warnings: string[] = [];
  const answer = (answers: readonly unknown[], index: number): unknown => {
    const given = answers[Math.min(index, answers.length - 1)];
    if (given instanceof Error) throw given;
    return given;
  };
  const upsert = createUpsert({
    client: {
      describeCollection: async () => ({
        status: { error_code: 'Success', code: 0 },
        schema: { fields, enable_dynamic_field: isDynamic },
        update_timestamp_str: answer(timestamps, asked.described++),
      }),
    } as never,
    wire: {
      says: () => says,
      sendBytes: async () => answer(wire, asked.wire++) as object,
      send: async () => answer(named, asked.named++) as object,
    },
    call: createCalls({ where: 'here', timeoutMs: 50, clock: patient }),
    logger: { ...silentLogger, warn: (_fields, message) => warnings.push(message) },
  });
  return { upsert: () => upsert('c', ROWS), asked, warnings };
}

const UNREADABLE = Object.assign(new Error('13 INTERNAL: grpc: error unmarshalling request'), { code: 13 });

describe('an upsert that the server does not take from us', () => {
  for (const [what, answers] of [
    ['does not implement it', [{}]],
    ['cannot read it', [UNREADABLE]],
    ['finds it wrong', [status(1100)]],
  ] as const) {
    it(`is made in the encoding of the client's types, from then on at once, when the server ${what}`, async () => {
      const { upsert, asked, warnings } = upsertOver({ wire: answers });
      await upsert();
      assert.equal(asked.named, 1);
      const { wire } = asked;
      await upsert();
      assert.deepEqual([asked.wire, asked.named], [wire, 2]);
      assert.deepEqual(warnings, ['Milvus is written in the encoding of its client, which is slower']);
    });
  }

  it('is the fault of its rows when the other encoding is refused as well', async () => {
    const { upsert, asked, warnings } = upsertOver({ wire: [status(1100), DONE], named: [status(1100)] });
    await assert.rejects(upsert(), { code: 'change-rejected' });
    await upsert();
    assert.deepEqual([asked.wire, asked.named, warnings.length], [2, 1, 0]);
  });

  it('is the fault of a schema that has changed when it has', async () => {
    const { upsert, asked, warnings } = upsertOver({
      wire: [status(4242, 'schema mismatch'), DONE],
      timestamps: ['1', '2'],
    });
    await upsert();
    await upsert();
    assert.deepEqual([asked.wire, asked.named, warnings.length], [2, 1, 0]);
  });

  it('is not offered in the other encoding for what is passing', async () => {
    const { upsert, asked } = upsertOver({ wire: [status(101)] });
    await assert.rejects(upsert(), { code: 'unreachable', retryable: true });
    assert.equal(asked.named, 0);
  });

  it('is no success when the server did not do all of it', async () => {
    const { upsert, asked } = upsertOver({ wire: [{ ...DONE, upsert_cnt: '0' }] });
    await assert.rejects(upsert(), { code: 'internal', retryable: true });
    assert.equal(asked.named, 0);
  });

  it('is left to the types of the client where those encode it otherwise', async () => {
    const { upsert, asked, warnings } = upsertOver({ wire: [DONE], says: false });
    await upsert();
    assert.deepEqual([asked.wire, asked.named, warnings.length], [0, 1, 1]);
  });

  it('is left to the types of the client where the collection has more than we make', async () => {
    for (const more of [{ fields: [...FIELDS, field('more', 5)] }, { isDynamic: true }]) {
      const { upsert, asked, warnings } = upsertOver({ wire: [DONE], ...more });
      await upsert();
      assert.deepEqual([asked.wire, asked.named, warnings.length], [0, 1, 1]);
    }
  });

  it('is not sent at all where a column of ours is another one there: a server may take it and die of it', async () => {
    for (const fields of [
      FIELDS.toSpliced(1, 1),
      FIELDS.with(3, field('version', 21)),
      FIELDS.with(3, field('version', 5, { nullable: true })),
    ]) {
      const { upsert, asked } = upsertOver({ wire: [DONE], fields });
      await assert.rejects(upsert(), { code: 'mismatch', message: /another field (version|agent_id)/ });
      assert.deepEqual([asked.wire, asked.named], [0, 0]);
    }
  });
});
