import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RecordBuffer } from '../../log/kafka/record-buffer.ts';

const open = (maxBytes: number) => new RecordBuffer<number>({ maxBytes, bytesOf: (record) => record });

describe('the buffer of fetched records', () => {
  it('is first in, first out, and knows its bytes, whatever is put, taken and cleared', () => {
    const put = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 });
    const take = fc.integer({ min: 1, max: 15 });
    const steps = fc.array(fc.oneof(put, take, fc.constant('clear' as const)), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (sequence) => {
        const buffer = open(1_000);
        let model: number[] = [];
        for (const step of sequence) {
          if (Array.isArray(step)) {
            buffer.put(step);
            model.push(...step);
          } else if (step === 'clear') {
            buffer.clear();
            model = [];
          } else {
            assert.deepEqual(buffer.take(step), model.splice(0, step));
          }
          assert.equal(
            buffer.bytes,
            model.reduce((sum, record) => sum + record, 0),
          );
          assert.equal(buffer.isEmpty, model.length === 0);
        }
      }),
    );
  });

  it('has room up to its bound, and for anything when it is empty', () => {
    const buffer = open(100);
    assert.ok(buffer.hasRoomFor([1_000]));
    buffer.put([60]);
    assert.ok(buffer.hasRoomFor([40]));
    assert.ok(!buffer.hasRoomFor([41]));
    buffer.take(1);
    assert.ok(buffer.hasRoomFor([41]));
  });

  it('wakes whoever waits when something is put, taken or cleared', async () => {
    const buffer = open(100);
    for (const change of [() => buffer.put([1, 2]), () => buffer.take(1), () => buffer.clear()]) {
      const woken = buffer.changed();
      change();
      await woken;
    }
  });
});
