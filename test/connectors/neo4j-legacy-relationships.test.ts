import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { legacyGraph, reasonFor, scanAll } from './neo4j-legacy.ts';

describe('the relationships of a legacy Neo4j graph', () => {
  const current = legacyGraph();

  it('gives relationships with whatever their application took for a time', async () => {
    const { store, plant } = current();
    await plant(`CREATE (a:Agent {id: 'a', type: 't', active: true}), (b:Agent {id: 'b', type: 't', active: true}),
      (a)-[:NONE {strength: 1}]->(b),
      (a)-[:INTEGER {strength: 2, since: 1700000000123}]->(b),
      (a)-[:FLOAT {strength: 2.5, since: 1700000000123.0}]->(b),
      (a)-[:DATE {strength: 3, since: date('2020-02-29')}]->(b),
      (a)-[:ZONED {strength: 4, since: datetime('2020-02-29T12:00:00.123456789+02:00')}]->(b),
      (a)-[:NAMED {strength: 5, since: datetime('2020-07-01T12:00:00[Europe/Berlin]')}]->(b),
      (a)-[:LOCAL {strength: 6, since: localdatetime('1960-01-01T00:00:00.001')}]->(b),
      (a)-[:OWN {strength: 7, migrated: false, note: 'x'}]->(b),
      (a)-[:SELF {strength: 8}]->(a)`);
    const { rows, rejected } = await scanAll(store, 'relationship');
    assert.deepEqual(rejected, []);
    assert.deepEqual(
      new Map(rows.map(({ entity }) => [entity.type, entity.since])),
      new Map([
        ['DATE', Date.UTC(2020, 1, 29)],
        ['FLOAT', 1_700_000_000_123],
        ['INTEGER', 1_700_000_000_123],
        ['LOCAL', Date.UTC(1960, 0, 1, 0, 0, 0, 1)],
        ['NAMED', Date.UTC(2020, 6, 1, 10)],
        ['NONE', null],
        ['OWN', null],
        ['ZONED', Date.UTC(2020, 1, 29, 10, 0, 0, 123)],
        ['SELF', null],
      ]),
    );
    const own = rows.find(({ entity }) => entity.type === 'OWN');
    assert.deepEqual(own?.entity.properties, { migrated: false, note: 'x' });
    assert.equal(await store.source.count('relationship'), 9);
  });

  it('names each relationship that cannot be moved and why, and moves the rest', async () => {
    const { store, plant } = current();
    await plant(`CREATE (a:Agent {id: 'a', type: 't', active: true}), (b:Agent {id: 'b', type: 't', active: true}),
      (c:Agent {id: 7}), (d:Agent), (m:Memory {id: 'm'}),
      (a)-[:GOOD {strength: 1}]->(b),
      (a)-[:STRONG {strength: 100.5}]->(b),
      (a)-[:WEAK]->(b),
      (a)-[:TEXT {strength: '50'}]->(b),
      (a)-[:WHEN {strength: 1, since: 'long ago'}]->(b),
      (a)-[:PART {strength: 1, since: 1.5}]->(b),
      (a)-[:LIST {strength: 1, tags: [1]}]->(b),
      (a)-[:\`NO NAME\` {strength: 1}]->(b),
      (a)-[:TWICE {strength: 1}]->(b), (a)-[:TWICE {strength: 2}]->(b),
      (a)-[:TO_SEVEN {strength: 1}]->(c), (d)-[:FROM_NOBODY {strength: 1}]->(b), (c)-[:BOTH {strength: 1}]->(d),
      (a)-[:REMEMBERS]->(m), (m)-[:OF]->(a)`);
    for (const limit of [1, 2, 100]) {
      const scanned = await scanAll(store, 'relationship', { limit });
      assert.deepEqual(
        scanned.rows.map(({ entity }) => entity.type),
        ['GOOD'],
      );
      assert.match(reasonFor(scanned, 'STRONG'), /strength 100.5 is not between 0 and 100/);
      assert.match(reasonFor(scanned, 'WEAK'), /strength is not a finite number/);
      assert.match(reasonFor(scanned, 'TEXT'), /strength is not a finite number/);
      assert.match(reasonFor(scanned, 'WHEN'), /"since" is neither a time/);
      assert.match(reasonFor(scanned, 'PART'), /since is not a whole number/);
      assert.match(reasonFor(scanned, 'LIST'), /property "tags" is a list/);
      assert.match(reasonFor(scanned, 'NO NAME'), /not a name of letters/);
      for (const type of ['TO_SEVEN', 'FROM_NOBODY', 'BOTH'])
        assert.match(reasonFor(scanned, type), /one of its ends has no id/);
      const twice = scanned.rejected.filter(({ where }) => where.includes('TWICE'));
      assert.equal(twice.length, 2);
      assert.match(twice[0]?.reason ?? '', /several relationships/);
      assert.equal(scanned.rejected.length, 12);
    }
  });

  it('is walked in bounded chunks through a hub, and goes on inside one', async () => {
    const { store, plant } = current();
    await plant(`CREATE (hub:Agent {id: 'hub', type: 't', active: true})
      WITH hub UNWIND range(1, 1000) AS i
      CREATE (n:Agent {id: 'n' + i, type: 't', active: true})
      CREATE (hub)-[:KNOWS {strength: 1}]->(n) CREATE (n)-[:KNOWS {strength: 1}]->(hub)`);
    const sizes: number[] = [];
    const keys: string[] = [];
    for await (const chunk of store.source.scan('relationship', WHOLE_RANGE, { limit: 100 })) {
      sizes.push(chunk.rows.length);
      keys.push(...chunk.rows.map(({ key }) => key));
      if (sizes.length !== 4) continue;
      const rest = await scanAll(store, 'relationship', {
        limit: 500,
        range: { after: chunk.last, until: null },
      });
      assert.equal(rest.rows.length, 2_000 - keys.length);
    }
    assert.equal(new Set(keys).size, 2_000);
    assert.ok(Math.max(...sizes) <= 100);
  });
});
