import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { toJson } from '../../core/json.ts';
import { compareCodePoints, textFault } from '../../core/text.ts';

const unicode = fc.string({ unit: 'binary' });

it('texts are ordered as the bytes of their UTF-8', () => {
  fc.assert(
    fc.property(unicode, unicode, (left, right) => {
      const expected = Buffer.compare(Buffer.from(left), Buffer.from(right));
      assert.equal(Math.sign(compareCodePoints(left, right)), expected);
    }),
    { numRuns: 2_000, examples: [['\uffee', '😀']] },
  );
});

it('text that has no faithful form in some store is found', () => {
  assert.equal(textFault('plain 😀'), undefined);
  assert.match(textFault('\u0000') ?? '', /NUL/);
  assert.match(textFault('\ud83d') ?? '', /surrogate/);
});

it('JSON text keeps every finite double, negative zero too', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const read = JSON.parse(toJson({ deep: [value] })) as { deep: number[] };
      assert.ok(Object.is(read.deep[0], value));
    }),
    { examples: [[-0], [5e-324]] },
  );
});
