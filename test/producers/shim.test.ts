import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChangeoverError } from '../../core/errors.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { ChangeWriter } from '../../producers/shim/change-writer.ts';
import type { InputOf } from '../../producers/shim/entities.ts';
import { BatchError } from '../../producers/shim/failure.ts';
import type { ShimResult } from '../../producers/shim/route-writes.ts';
import { type Batch, openShim, type Shim, type ShimOptions } from '../../producers/shim/shim.ts';
import type { Change } from '../../schemas/change.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import { MemoryCapture } from '../support/memory-capture.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';

interface Opened {
  readonly shim: Shim;
  readonly outbox: MemoryOutbox;
  readonly told: readonly string[];
  readonly logged: readonly object[];
}

function open(options: Partial<ShimOptions> = {}, outbox = new MemoryOutbox()): Opened {
  const capture = new MemoryCapture(outbox);
  const told: string[] = [];
  const logged: object[] = [];
  const logger: Logger = { ...silentLogger, error: (fields) => logged.push(fields) };
  const shim = openShim({
    captures: new Map(KINDS.map((kind) => [kind, capture])),
    onFailure: 'raise',
    logger,
    observer: { onResult: (kind, { status }) => told.push(`${kind} ${status}`) },
    ...options,
  });
  return { shim, outbox, told, logged };
}

function changes({ items }: MemoryOutbox): readonly Change[] {
  return items.flatMap((item) => ('entry' in item ? [item.entry.change] : []));
}

const agent = (id: string) => ({ id, type: 'citizen', active: true, attributes: { name: id } });
const away: ChangeWriter = {
  write: async () => {
    throw new ChangeoverError('unreachable', 'the store does not answer', { hint: 'Start it.' });
  },
};

/** Each statement with the change that it must make. */
const STATEMENTS: readonly (readonly [
  name: string,
  say: (shim: Shim) => Promise<ShimResult>,
  kind: Kind,
  isDelete: boolean,
])[] = [
  ['upsertAgent', (shim) => shim.upsertAgent(sampleEntity('agent', { name: 'x' })), 'agent', false],
  ['deleteAgent', (shim) => shim.deleteAgent('x'), 'agent', true],
  ['relate', (shim) => shim.relate(sampleEntity('relationship', { name: 'x' })), 'relationship', false],
  ['unrelate', (shim) => shim.unrelate(sampleEntity('relationship', { name: 'x' })), 'relationship', true],
  ['putEmbedding', (shim) => shim.putEmbedding(sampleEntity('embedding', { name: 'x' })), 'embedding', false],
  ['deleteEmbedding', (shim) => shim.deleteEmbedding('x'), 'embedding', true],
  [
    'recordExperience',
    (shim) => shim.recordExperience(sampleEntity('experience', { name: 'x' })),
    'experience',
    false,
  ],
  ['deleteExperience', (shim) => shim.deleteExperience('x'), 'experience', true],
  ['putQValue', (shim) => shim.putQValue(sampleEntity('q-value', { name: 'x' })), 'q-value', false],
  ['deleteQValue', (shim) => shim.deleteQValue(sampleEntity('q-value', { name: 'x' })), 'q-value', true],
  ['putPolicy', (shim) => shim.putPolicy(sampleEntity('policy', { name: 'x' })), 'policy', false],
  ['deletePolicy', (shim) => shim.deletePolicy({ agentId: 'x' }), 'policy', true],
];

describe('the domain API', () => {
  for (const [name, say, kind, isDelete] of STATEMENTS) {
    it(`${name} makes one captured change of ${kind}, and answers its version`, async () => {
      const { shim, outbox } = open();
      const result = await say(shim);
      const [change, ...more] = changes(outbox);
      assert.deepEqual(more, []);
      assert.deepEqual([change?.kind, change?.key], [kind, sampleKey(kind, 'x')]);
      const expected = isDelete ? null : sampleEntity(kind, { name: 'x' });
      assert.deepEqual(plain(change?.after), plain(expected));
      assert.deepEqual(result, { status: 'written', version: change?.version });
    });
  }

  it('completes what goes without saying', async () => {
    const { shim, outbox } = open();
    await shim.relate({ source: 'a', target: 'b', type: 'KNOWS', strength: 1 });
    await shim.putPolicy({ agentId: 'a', algorithm: 'sarsa', revision: 1 });
    const space = { model: 'm', revision: '1', metric: 'l2', normalised: false } as const;
    await shim.putEmbedding({ id: 'e', agentId: 'a', vector: [1, 2], space });
    const [tie, policy, embedding] = changes(outbox).map(({ after }) => plain(after));
    assert.deepEqual(tie, {
      source: 'a',
      target: 'b',
      type: 'KNOWS',
      strength: 1,
      since: null,
      properties: {},
    });
    const nothing = { name: '', environment: null, parameters: {}, actions: {} };
    assert.deepEqual(policy, { agentId: 'a', algorithm: 'sarsa', revision: 1, ...nothing });
    assert.deepEqual(embedding, {
      id: 'e',
      agentId: 'a',
      vector: '0000803f00000040',
      space,
      dimension: 2,
      metadata: {},
    });
  });

  it('takes a vector as numbers, float32 or bytes, to the same bits, and keeps a copy', async () => {
    const { shim, outbox } = open();
    const { vector: _, dimension: __, ...rest } = sampleEntity('embedding', { name: 'e' });
    const numbers = [0.1, -0, 1e-46, -3.4e38];
    const floats = Float32Array.from(numbers);
    const bytes = new Uint8Array(Buffer.alloc(17).buffer, 0, 17).slice(1);
    bytes.set(new Uint8Array(floats.buffer));
    const writing = [numbers, floats, bytes].map((vector) => shim.putEmbedding({ ...rest, vector }));
    floats.fill(7);
    bytes.fill(7);
    await Promise.all(writing);
    const written = changes(outbox).map(({ after }) => plain(after));
    assert.equal(written.length, 3);
    const expected = Buffer.from(Float32Array.from(numbers).buffer).toString('hex');
    for (const embedding of written) assert.equal((embedding as { vector: string }).vector, expected);
  });

  it('does a statement with one event id once', async () => {
    const { shim, outbox } = open();
    const first = await shim.upsertAgent(agent('a'), { eventId: 'e' });
    const again = await shim.upsertAgent(agent('a'), { eventId: 'e' });
    assert.deepEqual(again, { ...first, status: 'repeated' });
    assert.equal(changes(outbox).length, 1);
  });

  it('gives each kind to the store that is its origin, and one that has none is rejected', async () => {
    const [one, other] = [new MemoryOutbox(), new MemoryOutbox()];
    const captures = new Map<Kind, ChangeWriter>([
      ['agent', new MemoryCapture(one)],
      ['policy', new MemoryCapture(other)],
    ]);
    const { shim } = open({ captures });
    await shim.upsertAgent(agent('a'));
    await shim.putPolicy({ agentId: 'p', algorithm: 'x', revision: 0 });
    assert.deepEqual(
      [changes(one).map(({ key }) => key), changes(other).map(({ key }) => key)],
      [['a'], ['p']],
    );
    await assert.rejects(shim.deleteQValue({ agentId: 'a', state: 's', action: 1 }), {
      code: 'change-rejected',
      message: /no configured store is the origin/,
    });
  });
});

describe('the failure policy', () => {
  const notFinite: InputOf['embedding'] = {
    ...sampleEntity('embedding', { name: 'e' }),
    vector: [1, Number.NaN, 0, 0, 0, 0, 0, 0],
  };

  it('raise: throws what was the matter, with what to do and whether trying again helps', async () => {
    const { shim, outbox, told } = open();
    await assert.rejects(shim.putEmbedding(notFinite), (error: ChangeoverError) => {
      assert.deepEqual([error.code, error.retryable], ['change-rejected', false]);
      assert.match(error.message, /embedding e: vector has NaN at place 1/);
      return true;
    });
    await assert.rejects(shim.upsertAgent(agent('')), { code: 'change-rejected', message: /id is empty/ });
    const broken = open({ captures: new Map([['agent', away]]) });
    await assert.rejects(broken.shim.upsertAgent(agent('a')), (error: ChangeoverError) => {
      assert.deepEqual([error.code, error.retryable, error.hint], ['unreachable', true, 'Start it.']);
      assert.match(error.message, /agent a: the store does not answer/);
      return true;
    });
    const full = open({}, new MemoryOutbox({ maxEntries: 1 }));
    await full.shim.upsertAgent(agent('a'));
    await assert.rejects(full.shim.upsertAgent(agent('b')), { code: 'outbox-full', retryable: true });
    assert.deepEqual([told, changes(outbox)], [['embedding rejected', 'agent rejected'], []]);
  });

  it('log: answers it, logs it as an error and tells the observer', async () => {
    const captures = new Map<Kind, ChangeWriter>([
      ['agent', away],
      ['embedding', new MemoryCapture(new MemoryOutbox())],
    ]);
    const { shim, told, logged } = open({ onFailure: 'log', captures });
    const failed = await shim.upsertAgent(agent('a'), { eventId: 'x' });
    assert.equal(failed.status === 'failed' && failed.error.code, 'unreachable');
    const rejected = await shim.putEmbedding(notFinite);
    assert.equal(rejected.status, 'rejected');
    assert.deepEqual(told, ['agent failed', 'embedding rejected']);
    assert.deepEqual(logged, [
      { kind: 'agent', key: 'a', eventId: 'x', status: 'failed', code: 'unreachable' },
      { kind: 'embedding', key: 'e', eventId: undefined, status: 'rejected', code: 'change-rejected' },
    ]);
  });

  it('whichever: what has another shape than its type says is rejected, and costs nothing else', async () => {
    const { shim, outbox } = open({ onFailure: 'log' });
    const batch = shim.batch();
    const says: RegExp[] = [];
    const give = (reason: RegExp, say: (to: Batch) => unknown) => {
      says.push(reason);
      say(batch);
    };
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    const agents: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /^it is undefined, not an object with the fields of an agent$/],
      [null, /^it is null, not an object/],
      [7, /^it is a number, not an object/],
      ['ada', /^it is a string, not an object/],
      [[agent('a')], /^it is a list, not an object/],
      [() => agent('a'), /^it is a function, not an object/],
      [{}, /^id is not a string$/],
      [{ id: 7 }, /^id is not a string$/],
      [{ id: cyclic }, /^id is not a string$/],
      [{ id: 'a' }, /^type is not a string$/],
      [{ ...agent('a'), attributes: null }, /^attributes is not a map/],
      [{ ...agent('a'), attributes: cyclic }, /^attributes\.self is not a finite number$/],
      [{ ...agent('a'), active: 1 }, /^active is neither true nor false$/],
      [{ ...agent('a'), colour: 'red' }, /^colour: an agent has no such field$/],
    ];
    for (const [wrong, reason] of agents) give(reason, (to) => to.upsertAgent(wrong as never));
    const tie = { source: 'a', target: 'b', type: 'KNOWS', strength: 1 };
    const embedding = sampleEntity('embedding', { name: 'e' });
    give(/^vector is neither numbers nor bytes$/, (to) =>
      to.putEmbedding({ id: 'e', agentId: 'a', vector: 'text' } as never),
    );
    give(/^space is not an object/, (to) => to.putEmbedding({ ...embedding, space: undefined } as never));
    give(/^space\.metric is none of cosine, l2, ip$/, (to) =>
      to.putEmbedding({ ...embedding, space: { ...embedding.space, metric: 'near' } } as never),
    );
    give(/^source is not a string$/, (to) => to.relate({} as never));
    give(/^type is not a string$/, (to) => to.relate({ ...tie, type: undefined } as never));
    give(/^type is not a string$/, (to) => to.relate({ ...tie, type: cyclic } as never));
    give(/^it is no object$/, (to) => to.unrelate(undefined as never));
    give(/^id is not a string$/, (to) => to.deleteAgent(undefined as never));
    give(/^id is not a string$/, (to) => to.deleteEmbedding(cyclic as never));
    give(/^it is null, not an object/, (to) => to.recordExperience(null as never));
    give(/^it is undefined, not an object/, (to) => to.putQValue(undefined as never));
    give(/^action is not a whole number$/, (to) =>
      to.deleteQValue({ agentId: 'a', state: 's', action: '1' } as never),
    );
    give(/^agentId is not a string$/, (to) => to.deletePolicy({} as never));
    give(/^agentId is not a string$/, (to) => to.deletePolicy(undefined as never));
    give(/^name is not a string$/, (to) => to.deletePolicy({ agentId: 'a', name: null } as never));
    give(/^actions is not a map/, (to) =>
      to.putPolicy({ agentId: 'a', algorithm: 'x', revision: 0, actions: 'none' } as never),
    );
    give(/^the options are a string, not an object with eventId$/, (to) =>
      to.upsertAgent(agent('a'), 'event' as never),
    );
    give(/^eventId is a number, not a string$/, (to) => to.upsertAgent(agent('a'), { eventId: 7 } as never));
    give(/^eventId is empty$/, (to) => to.deleteAgent('a', { eventId: '' }));
    batch.upsertAgent(agent('good'));
    const results = await batch.write();
    assert.equal(results.at(-1)?.status, 'written');
    for (const [index, reason] of says.entries()) {
      const result = results[index];
      assert.match(result?.status === 'rejected' ? result.reason : JSON.stringify(result), reason);
    }
    assert.deepEqual(
      changes(outbox).map(({ key }) => key),
      ['good'],
    );
  });

  it('raise: what has another shape than its type says is told to who said it, in a promise', async () => {
    const { shim } = open();
    const said: readonly ((to: Shim) => Promise<ShimResult>)[] = [
      (to) => to.upsertAgent(undefined as never),
      (to) => to.deletePolicy(undefined as never),
      (to) => to.unrelate(null as never),
    ];
    for (const say of said) {
      await assert.rejects(say(shim), { code: 'change-rejected', message: /^Not written: / });
    }
  });
});

describe('a batch', () => {
  it('writes statements of all kinds in their order, with one result each, and is empty afterwards', async () => {
    const { shim, outbox } = open();
    const batch = shim.batch();
    batch.upsertAgent(agent('a')).upsertAgent(agent('b'), { eventId: 'b' });
    batch
      .relate({ source: 'a', target: 'b', type: 'KNOWS', strength: 5 })
      .deleteAgent('a')
      .upsertAgent(agent('a'));
    assert.equal(batch.size, 5);
    const results = await batch.write();
    assert.deepEqual(
      results.map(({ status }) => status),
      new Array(5).fill('written'),
    );
    const made = changes(outbox).map(({ kind, key, after }) => `${after === null ? '-' : '+'}${kind} ${key}`);
    const tie = 'relationship ["a","KNOWS","b"]';
    assert.deepEqual(made, ['+agent a', '+agent b', `+${tie}`, `-${tie}`, '-agent a', '+agent a']);
    assert.equal(batch.size, 0);
    assert.deepEqual(await batch.write(), []);
  });

  it('of which some were not made raises an error with the results of all', async () => {
    const captures = new Map<Kind, ChangeWriter>([
      ['agent', new MemoryCapture(new MemoryOutbox())],
      ['policy', away],
    ]);
    const { shim, told } = open({ captures });
    const batch = shim
      .batch()
      .upsertAgent(agent('a'))
      .putPolicy({ agentId: 'p', algorithm: 'x', revision: 0 });
    batch.upsertAgent(agent('')).upsertAgent(agent('b'));
    await assert.rejects(batch.write(), (error: unknown) => {
      assert.ok(error instanceof BatchError);
      assert.deepEqual([error.code, error.retryable], ['unreachable', true]);
      assert.match(error.message, /^2 of 4 writes were not made, the first because: .*policy p/);
      const statuses = error.results.map(({ status }) => status);
      assert.deepEqual(statuses, ['written', 'failed', 'rejected', 'written']);
      return true;
    });
    assert.equal(told.length, 4);
  });
});

function plain(entity: unknown): unknown {
  if (typeof entity !== 'object' || entity === null || !('vector' in entity)) return entity;
  return { ...entity, vector: Buffer.from(entity.vector as Uint8Array).toString('hex') };
}
