import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DateTime, isInt } from 'neo4j-driver';
import { tombstoneKey } from '../../connectors/neo4j/rows.ts';
import { epochMsOf } from '../../connectors/neo4j/since.ts';
import { readScalars, storedNumber, writeScalars } from '../../connectors/neo4j/values.ts';

describe('times in Neo4j', () => {
  it('are read as JavaScript reads them, as far as its calendar goes', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        assert.equal(epochMsOf(dateTimeOf(date)), date.getTime());
      }),
    );
  });

  /** What the driver makes of a stored DATETIME. */
  function dateTimeOf(date: Date): DateTime<number> {
    return new DateTime(
      date.getUTCFullYear(),
      date.getUTCMonth() + 1,
      date.getUTCDate(),
      date.getUTCHours(),
      date.getUTCMinutes(),
      date.getUTCSeconds(),
      date.getUTCMilliseconds() * 1_000_000,
      0,
    );
  }
});

describe('properties in Neo4j', () => {
  const taken = new Set(['id', 'type']);

  it('keeps any attributes under any names apart from those that are taken', () => {
    const name = fc.oneof(
      // An attribute of this name is no attribute (entity-fault.ts).
      fc.string().filter((text) => text !== '__proto__'),
      fc.constantFrom('id', 'type', '', '_version', '_attr_id', '_attr_', '_lock'),
    );
    const scalar = fc.oneof(fc.string(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }));
    fc.assert(
      fc.property(fc.dictionary(name, scalar, { noNullPrototype: true }), (attributes) => {
        const properties: Record<string, unknown> = { id: 'taken', type: 'taken', _version: 1 };
        writeScalars(properties, attributes, taken);
        assert.ok(!Object.hasOwn(properties, ''), 'Neo4j refuses an empty name');
        assert.deepEqual([properties.id, properties.type, properties._version], ['taken', 'taken', 1]);
        const faults: string[] = [];
        const read = readScalars(properties, taken, faults);
        assert.deepEqual(faults, []);
        assert.deepEqual(read, attributes);
      }),
    );
  });

  it('sends a whole number as an integer where an integer can hold it', () => {
    for (const whole of [0, 1, -1, Number.MAX_SAFE_INTEGER]) assert.ok(isInt(storedNumber(whole)));
    for (const float of [-0, 0.5, 2 ** 53, 1e300]) assert.ok(!isInt(storedNumber(float)));
  });

  it('finds the tombstone of a relationship by a key that no other has', () => {
    const ends = fc.record({ source: fc.string(), type: fc.constantFrom('A', 'A1'), target: fc.string() });
    fc.assert(
      fc.property(ends, ends, (left, right) => {
        const same = left.source === right.source && left.type === right.type && left.target === right.target;
        assert.equal(tombstoneKey(left) === tombstoneKey(right), same);
      }),
    );
    assert.notEqual(
      tombstoneKey({ source: '1', type: 'A', target: '1x' }),
      tombstoneKey({ source: '11', type: 'A', target: 'x' }),
    );
  });
});
