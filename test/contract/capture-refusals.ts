import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { EntityWrite } from '../../connectors/capture.ts';
import { keyOf } from '../../schemas/keys.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import {
  captureOf,
  deleteOf,
  drained,
  hasCode,
  heldOf,
  type Opened,
  putOf,
  written,
} from './capture-support.ts';
import {
  CAPTURE_TEST_MAX_BYTES,
  CAPTURE_TEST_SPACE,
  type CapturePlace,
  type CaptureUnderContract,
} from './capture-world.ts';

export function refusalContract(kind: Kind, opened: Opened): void {
  it('rejects what no store or log may hold, before anything is written', async () => {
    const store = opened();
    await drained(store);
    const sound = putOf(kind, { name: 'sound', variant: 1 });
    const faulty = faultyWrites(kind);
    const results = await captureOf(store).write([sound, ...faulty.map(({ write }) => write)]);
    assert.equal(results[0]?.status, 'written');
    for (const [index, { write, says }] of faulty.entries()) {
      const result = results[index + 1];
      assert.equal(result?.status, 'rejected', `${says}: ${JSON.stringify(result)}`);
      assert.match(result?.status === 'rejected' ? result.reason : '', says);
      assert.equal((await heldOf(store, kind, write.key))?.entity ?? null, null);
    }
    assert.deepEqual(
      (await drained(store)).map(({ change }) => change.key),
      [sound.key],
    );
  });
}

/** What an application may get wrong when it has several stores, or stops in the wrong order. */
export function misuseContract(
  subject: CaptureUnderContract,
  opened: Opened,
  placed: () => CapturePlace,
): void {
  const kind = subject.kinds[0] ?? 'agent';

  it('rejects a kind of which it is not the origin, and nothing else of the batch', async () => {
    const foreign = KINDS.filter((each) => !subject.kinds.includes(each));
    const store = opened();
    await drained(store);
    const sound = putOf(kind, { name: 'at home', variant: 1 });
    const strangers = foreign.flatMap((each) => [putOf(each, { name: 'x' }), deleteOf(each, 'x')]);
    const [first, ...others] = await captureOf(store).write([sound, ...strangers]);
    assert.equal(first?.status, 'written');
    for (const [index, { kind: stranger }] of strangers.entries()) {
      const reason = `${store.name} is not the origin of ${stranger}`;
      assert.deepEqual(others[index], { status: 'rejected', reason });
    }
    assert.equal((await drained(store)).length, 1);
  });

  it('writes nothing once it is closed, and says so', async () => {
    const second = await placed().open();
    await second.close();
    const late = putOf(kind, { name: 'late for closing', variant: 1 });
    await assert.rejects(captureOf(second).write([late]), hasCode('aborted'));
    assert.equal((await heldOf(opened(), kind, late.key))?.entity ?? null, null);
  });
}

interface FaultyWrite {
  readonly write: EntityWrite;
  readonly says: RegExp;
}

function faultyWrites(kind: Kind): readonly FaultyWrite[] {
  const alter = (name: string, fields: object, says: RegExp): FaultyWrite => {
    const sound = putOf(kind, { name });
    return { write: { ...sound, entity: { ...sound.entity, ...fields } } as EntityWrite, says };
  };
  const long = 'x'.repeat(CAPTURE_TEST_MAX_BYTES);
  const tooLong = new RegExp(`\\d{6} bytes.*${CAPTURE_TEST_MAX_BYTES}`);
  const otherKey = { ...putOf(kind, { name: 'a' }), key: sampleKey(kind, 'other') } as EntityWrite;
  const common = { write: otherKey, says: /key/ };
  switch (kind) {
    case 'agent':
      return [
        common,
        alter('long', { attributes: { long } }, tooLong),
        alter('nan', { attributes: { x: Number.NaN } }, /x/),
      ];
    case 'relationship':
      return [
        common,
        alter('long', { properties: { long } }, tooLong),
        alter('strong', { strength: 101 }, /strength/),
      ];
    case 'embedding':
      return [
        common,
        alter(
          'nan',
          { vector: Buffer.from(new Float32Array([Number.NaN, 0, 0, 0, 0, 0, 0, 0]).buffer) },
          /finite|NaN/i,
        ),
        alter('model', { space: { ...CAPTURE_TEST_SPACE, dimension: undefined, model: 'another' } }, /model/),
        alter('dimension', { vector: Buffer.alloc(16), dimension: 4 }, /dimension|length/),
        // Milvus' limit for metadata comes first.
        alter('long', { metadata: { long } }, /\d{6} bytes/),
      ];
    case 'experience':
      return [common, alter('long', { state: long }, /\d/), alter('nan', { reward: Number.NaN }, /reward/)];
    case 'q-value':
      return [common, alter('nan', { value: Number.NaN }, /value/)];
    case 'policy':
      return [common, alter('long', { parameters: { long } }, tooLong)];
    default:
      return kind satisfies never;
  }
}

export function agentDeleteContract(opened: Opened): void {
  it('captures the deletes of an agent’s relationships, in and out, before its own', async () => {
    const store = opened();
    const capture = captureOf(store);
    const agent = (id: string) => ({ ...sampleEntity('agent', { name: id }), id });
    const ties = [
      ['hub', 'near'],
      ['hub', 'far'],
      ['far', 'hub'],
      ['near', 'far'],
    ].map(([source = '', target = '']) => ({
      ...sampleEntity('relationship', { name: 'any' }),
      source,
      target,
    }));
    await written(
      capture,
      ...['hub', 'near', 'far'].map((id) => ({ kind: 'agent', key: id, entity: agent(id) }) as EntityWrite),
      ...ties.map(
        (tie) => ({ kind: 'relationship', key: keyOf('relationship', tie), entity: tie }) as EntityWrite,
      ),
    );
    await drained(store);
    await written(capture, { kind: 'agent', key: 'hub', entity: null });
    const entries = await drained(store);
    const touching = ties.slice(0, 3).map((tie) => keyOf('relationship', tie));
    assert.deepEqual(
      entries
        .slice(0, -1)
        .map(({ change }) => `${change.op} ${change.key}`)
        .sort(),
      touching.map((key) => `d ${key}`).sort(),
    );
    const last = entries.at(-1);
    assert.deepEqual([last?.change.kind, last?.change.op, last?.change.key], ['agent', 'd', 'hub']);
    for (const key of touching)
      assert.equal((await heldOf(store, 'relationship', key))?.entity ?? null, null);
    const other = ties[3];
    assert.ok(other);
    assert.notEqual(
      (await heldOf(store, 'relationship', keyOf('relationship', other)))?.entity ?? null,
      null,
    );
  });
}
