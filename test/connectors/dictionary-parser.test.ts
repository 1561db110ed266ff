import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Member, MemberParser, type ScanEvent } from '../../connectors/dictionary/read/member-parser.ts';

/** Feeds the parser in pieces; keeps of the window only what it says that it needs. */
function parsed(bytes: Buffer, pieces: readonly number[], maxValueBytes = 1 << 20): readonly ScanEvent[] {
  const parser = new MemberParser(maxValueBytes);
  const events: ScanEvent[] = [];
  const take = (found: readonly ScanEvent[]) => events.push(...found.map(copied));
  let end = 0;
  for (let turn = 0; end < bytes.byteLength; turn++) {
    const origin = Math.min(parser.keepFrom, end);
    end = Math.min(bytes.byteLength, end + Math.max(1, pieces[turn % pieces.length] ?? 1));
    take(parser.parse(Buffer.from(bytes.subarray(origin, end)), origin, end));
  }
  const origin = Math.min(parser.keepFrom, end);
  take(parser.finish(Buffer.from(bytes.subarray(origin)), origin, end));
  return events;
}

function copied(event: ScanEvent): ScanEvent {
  if (event.type === 'damage') return event;
  return { ...event, key: Buffer.from(event.key), value: event.value && Buffer.from(event.value) };
}

const pieceSizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
const text = fc.string({ unit: 'binary', maxLength: 12 });

describe('the member parser', () => {
  it('finds what JSON.parse finds, and where it stands, however the bytes come', () => {
    const members = fc.array(fc.tuple(text, fc.jsonValue()), { maxLength: 8 });
    fc.assert(
      fc.property(members, pieceSizes, fc.constantFrom('', ' ', '\n\t'), (content, pieces, blank) => {
        const json = `${blank}{${blank}${content
          .map(
            ([key, value]) => `${JSON.stringify(key)}${blank}:${blank}${JSON.stringify(value, null, blank)}`,
          )
          .join(`${blank},${blank}`)}${blank}}${blank}`;
        const bytes = Buffer.from(json);
        const found = parsed(bytes, pieces) as readonly Member[];
        assert.deepEqual(
          found.map(({ key, value }) => [JSON.parse(String(key)), JSON.parse(String(value))]),
          content.map(([key, value]) => [JSON.parse(JSON.stringify(key)), JSON.parse(JSON.stringify(value))]),
        );
        for (const { key, keyOffset, value, valueOffset, valueLength, line } of found) {
          assert.ok(bytes.subarray(keyOffset, keyOffset + key.byteLength).equals(key));
          assert.ok(value?.equals(bytes.subarray(valueOffset, valueOffset + valueLength)));
          assert.equal(line, json.slice(0, bytes.toString('utf8', 0, keyOffset).length).split('\n').length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('answers the same however the bytes come, whatever they are', () => {
    const rubbish = fc.array(fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', '\n', 'a', '1', ' '), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(rubbish, pieceSizes, (characters, pieces) => {
        const bytes = Buffer.from(`{${characters.join('')}`);
        assert.deepEqual(parsed(bytes, pieces), parsed(bytes, [bytes.byteLength]));
      }),
      { numRuns: 1000 },
    );
  });

  it('tells of a value that is too long without keeping it, and goes on', () => {
    const bytes = Buffer.from(JSON.stringify({ a: [1], long: 'x'.repeat(5000), b: [2] }));
    for (const pieces of [[10], [bytes.byteLength]]) {
      const found = parsed(bytes, pieces, 100) as readonly Member[];
      assert.deepEqual(
        found.map(({ key, value, valueLength }) => [String(key), value?.toString(), valueLength]),
        [
          ['"a"', '[1]', 3],
          ['"long"', undefined, 5002],
          ['"b"', '[2]', 3],
        ],
      );
    }
  });

  it('does not keep an id without an end', () => {
    const parser = new MemberParser(100);
    parser.parse(Buffer.from(`{"${'x'.repeat(500)}`), 0, 502);
    assert.equal(parser.keepFrom, 502);
  });
});
