import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { agentFromHash, agentToHash } from '../../connectors/redis/read/agent-hash.ts';
import { fromField, fromText, toField, toText } from '../../connectors/redis/read/hash-text.ts';
import { type Found, fromLine, toLine } from '../../connectors/redis/read/place-lines.ts';
import { parseHeldVersion } from '../../connectors/redis/versions.ts';
import { compareCodePoints } from '../../core/text.ts';
import type { ScanKey } from '../../schemas/keys.ts';
import { compareScanKeys } from '../../schemas/scan-order.ts';
import { HOSTILE_DOUBLES, HOSTILE_SCALARS, HOSTILE_TEXTS } from '../support/entities.ts';

const ROUNDS = { numRuns: 2_000 };

/** Texts that are close to being something else. */
const tricky = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '1', '0', '-', '.', 'e', '+', 't', 'r', 'u', 'e', ' ', '\n'),
  }),
  fc.double().map(String),
  fc.constantFrom(...HOSTILE_TEXTS, 'true', 'false', 'NaN', 'Infinity', '-0', '1e21', '1e+21', '""', '"1"'),
  fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
  fc.constantFrom('true', '1', '-0').map((text) => JSON.stringify(JSON.stringify(text))),
);

const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { noNullPrototype: true });

const scalar = fc.oneof(
  tricky,
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(...HOSTILE_DOUBLES),
);

describe('scalars as the text of a Redis hash', () => {
  it('come back as they were, whatever they are', () => {
    fc.assert(
      fc.property(scalar, (value) => Object.is(fromText(toText(value)), value)),
      ROUNDS,
    );
  });

  it('leave every text that an application wrote as it was', () => {
    fc.assert(
      fc.property(tricky, (text) => toText(fromText(text)) === text),
      ROUNDS,
    );
  });

  it('read only canonical numbers, true and false as such', () => {
    const read = ['30', '-0', '5e-324', '1e+21', 'true', 'false'].map(fromText);
    assert.deepEqual(read, [30, -0, 5e-324, 1e21, true, false]);
    for (const text of ['007', '1e3', '30.0', '+1', ' 1', '1e21', '0x10', 'True', 'NaN', 'Infinity', '']) {
      assert.equal(fromText(text), text);
    }
  });

  it('quote a string only where it would be taken for something else', () => {
    assert.equal(toText('30'), '"30"');
    assert.equal(toText('true'), '"true"');
    assert.equal(toText('"30"'), '"\\"30\\""');
    assert.equal(toText('"hello"'), '"hello"');
    assert.equal(toText('baker'), 'baker');
  });

  it('give every attribute a field of its own beside id, type and active', () => {
    const name = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc
        .tuple(fc.nat(3), fc.constantFrom('id', 'type', 'active', 'x'))
        .map(([n, end]) => '_attr_'.repeat(n) + end),
    );
    fc.assert(
      fc.property(name, (attribute) => {
        assert.ok(!['id', 'type', 'active'].includes(toField(attribute)));
        assert.equal(fromField(toField(attribute)), attribute);
      }),
      ROUNDS,
    );
  });
});

describe('an agent as a Redis hash', () => {
  it('comes back as it was', () => {
    const agent = { id: '007', type: 'true', active: false, attributes: HOSTILE_SCALARS };
    assert.deepEqual(agentFromHash('007', agentToHash(agent)), agent);
  });

  it('has defaults for what an application does not say', () => {
    const expected = { id: 'a', type: 'agent', active: true, attributes: { age: 30 } };
    assert.deepEqual(agentFromHash('a', ['age', '30']), expected);
  });

  it('takes active from what other languages write', () => {
    for (const text of ['True', '1', 'TRUE']) {
      assert.partialDeepStrictEqual(agentFromHash('a', ['active', text]), { active: true });
    }
    assert.partialDeepStrictEqual(agentFromHash('a', ['active', 'False']), { active: false });
    assert.equal(agentFromHash('a', ['active', 'maybe']), 'active is neither true nor false: maybe');
  });

  it('is refused where it says another id than its key', () => {
    assert.equal(agentFromHash('a', ['id', 'b']), 'its field id says "b"');
  });
});

describe('places as lines', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({
      unit: fc.constantFrom(
        '\u0000',
        '\u0001',
        ' ',
        '\n',
        '\r',
        '\u2027',
        '\u2028',
        '\u2029',
        'a',
        '\uffee',
        '😀',
      ),
    }),
  );
  const integer = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 }));
  const place: fc.Arbitrary<ScanKey> = fc.oneof(
    fc.tuple(text),
    fc.tuple(text, text),
    fc.tuple(text, text, integer),
    fc.tuple(text, text, integer, text),
  );

  it('sort as their places do', () => {
    fc.assert(
      fc.property(place, place, (left, right) => {
        const order = compareCodePoints(toLine({ place: left }), toLine({ place: right }));
        assert.equal(Math.sign(order), Math.sign(compareScanKeys(left, right)));
      }),
      ROUNDS,
    );
  });

  it('come back with everything that stands on them, and hold no line break', () => {
    const extras = fc.oneof(
      fc.constant({}),
      plain({ fault: plain({ where: text, reason: text }) }),
      plain({ hint: plain({ index: fc.nat(), at: fc.constantFrom('', '-5', '1700000000000') }) }),
    );
    fc.assert(
      fc.property(place, extras, (given, extra) => {
        const found: Found = { place: given, ...extra };
        const line = toLine(found);
        assert.doesNotMatch(line, /[\n\r\u2028\u2029]/);
        assert.deepEqual(fromLine(line), found);
      }),
      ROUNDS,
    );
  });
});

describe('what the versions hash says', () => {
  it('is read to the last digit', () => {
    const newest = String(Number.MAX_SAFE_INTEGER);
    assert.deepEqual(parseHeldVersion(newest), { version: Number.MAX_SAFE_INTEGER, deleted: false });
    assert.deepEqual(parseHeldVersion('-17'), { version: 17, deleted: true });
    assert.deepEqual(parseHeldVersion('17 1700000000000 an agent'), { version: 17, deleted: false });
    assert.deepEqual(parseHeldVersion('0 ? a'), { version: null, deleted: false });
  });

  it('is refused where it is none of ours', () => {
    for (const text of ['', 'x', '17x', '9007199254740993', '1.5', '--1'])
      assert.equal(parseHeldVersion(text), undefined);
  });
});
