import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RejectedItem, SourceRow, Store } from '../../connectors/connector.ts';
import { compareCodePoints } from '../../core/text.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { float32Bytes } from '../support/entities.ts';
import { type TestGraph, testGraph } from './neo4j-graph.ts';

const KINDS: readonly Kind[] = ['agent', 'relationship', 'embedding'];

interface Scanned<K extends Kind> {
  readonly rows: readonly SourceRow<K>[];
  readonly rejected: readonly RejectedItem[];
}

async function scanAll<K extends Kind>(
  store: Store,
  kind: K,
  { limit = 3, range = WHOLE_RANGE }: { readonly limit?: number; readonly range?: ScanRange } = {},
): Promise<Scanned<K>> {
  const rows: SourceRow<K>[] = [];
  const rejected: RejectedItem[] = [];
  for await (const chunk of store.source.scan(kind, range, { limit })) {
    rows.push(...chunk.rows);
    rejected.push(...chunk.rejected);
  }
  return { rows, rejected };
}

const keysOf = ({ rows }: Scanned<Kind>): readonly string[] => rows.map(({ key }) => key);

/** The reason that was given for the item whose place mentions `text`. */
function reasonFor({ rejected }: Scanned<Kind>, text: string): string {
  const found = rejected.filter(({ where }) => where.includes(text));
  assert.equal(
    found.length,
    1,
    `${found.length} rejected items mention ${text}: ${JSON.stringify(rejected)}`,
  );
  return found[0]?.reason ?? '';
}

/** A legacy application wrote the graph; nothing was prepared in it. */
describe('a legacy Neo4j graph', () => {
  let graph: TestGraph;
  let store: Store;
  /** Runs with the test's labels in the place of :Agent and :Memory. */
  const plant = (text: string, parameters = {}) =>
    graph.run(
      text.replaceAll(':Agent', `:${graph.labels.agent}`).replaceAll(':Memory', `:${graph.labels.memory}`),
      parameters,
    );

  beforeEach(async () => {
    graph = testGraph();
    store = await graph.open('legacy', KINDS);
  });
  afterEach(() => graph.remove());

  it('gives its agents without versions, and needs nothing prepared', async () => {
    await plant(`CREATE (:Agent {id: 'ann', type: 'citizen', active: true, name: 'Ann', age: 44, wage: 3.5, _own: 'kept'}),
      (:Agent {id: 'bob', type: 'worker', active: false, _version: 1700000000000000})`);
    const { rows, rejected } = await scanAll(store, 'agent');
    assert.deepEqual(rejected, []);
    assert.deepEqual(rows, [
      {
        key: 'ann',
        version: null,
        entity: {
          id: 'ann',
          type: 'citizen',
          active: true,
          attributes: { name: 'Ann', age: 44, wage: 3.5, _own: 'kept' },
        },
      },
      {
        key: 'bob',
        version: 1_700_000_000_000_000,
        entity: { id: 'bob', type: 'worker', active: false, attributes: {} },
      },
    ]);
    assert.equal(await store.source.count('agent'), 2);
    assert.deepEqual(await store.source.get('agent', ['bob', 'nobody', 'ann']), [
      { version: 1_700_000_000_000_000, entity: rows[1]?.entity },
      undefined,
      { version: null, entity: rows[0]?.entity },
    ]);
  });

  it('names each agent that cannot be moved and why, and moves the rest', async () => {
    await plant(
      `CREATE (:Agent {id: 'good', type: 't', active: true}),
      (:Agent {id: 'list', type: 't', active: true, tags: ['a', 'b']}),
      (:Agent {id: 'born', type: 't', active: true, born: date('1980-01-01')}),
      (:Agent {id: 'spot', type: 't', active: true, home: point({x: 1, y: 2})}),
      (:Agent {id: 'huge', type: 't', active: true, big: 9007199254740993}),
      (:Agent {id: 'nan', type: 't', active: true, odd: 0.0 / 0.0}),
      (:Agent {id: 'proto', type: 't', active: true, \`__proto__\`: 'x'}),
      (:Agent {id: 'marked', type: 't', active: true, _version: 'seven'}),
      (:Agent {id: 'nul', type: 't', active: true, name: 'a' + $nul}),
      (:Agent {id: 'untyped', active: true}),
      (:Agent {id: 'undecided', type: 't'}),
      (:Agent {id: 'bare'}),
      (:Agent {id: 7, type: 't', active: true}),
      (:Agent {id: '', type: 't', active: true}),
      (:Agent {type: 't', active: true, name: 'nameless'}),
      (:Agent {id: 'twin', type: 't', active: true, nr: 1}),
      (:Agent {id: 'twin', type: 't', active: true, nr: 2})`,
      { nul: '\u0000' },
    );
    const scanned = await scanAll(store, 'agent');
    assert.deepEqual(keysOf(scanned), ['good']);
    assert.match(reasonFor(scanned, '"list"'), /property "tags" is a list/);
    assert.match(reasonFor(scanned, '"born"'), /property "born" is a Date/);
    assert.match(reasonFor(scanned, '"spot"'), /property "home" is a Point/);
    assert.match(reasonFor(scanned, '"huge"'), /property "big" is 9007199254740993, .*too large/);
    assert.match(reasonFor(scanned, '"nan"'), /attributes\.odd is not a finite number/);
    assert.match(reasonFor(scanned, '"proto"'), /__proto__/);
    assert.match(reasonFor(scanned, '"marked"'), /_version is no version/);
    assert.match(reasonFor(scanned, '"nul"'), /NUL/);
    assert.match(reasonFor(scanned, '"untyped"'), /type is not a string/);
    assert.match(reasonFor(scanned, '"undecided"'), /active is neither true nor false/);
    assert.match(reasonFor(scanned, '"bare"'), /type is not a string/);
    assert.match(reasonFor(scanned, '"twin"'), /2 nodes have this id/);
    const others = scanned.rejected.filter(({ where }) => !where.includes('id:')).map(({ reason }) => reason);
    assert.deepEqual(others.toSorted(), ['id is empty', 'id is not a string', 'it has no id']);
    assert.deepEqual(await store.source.get('agent', ['list', 'twin', 'bare']), [
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('reports nodes without a place in the order once, to the scan that starts at the beginning', async () => {
    await plant(
      `UNWIND range(1, 10) AS i CREATE (:Agent {type: 't', active: true}), (:Agent {id: 'a' + i, type: 't', active: true})`,
    );
    const ranges = await store.source.ranges('agent', 3);
    const parts = await Promise.all(ranges.map((range) => scanAll(store, 'agent', { range })));
    assert.deepEqual(
      parts.map(({ rejected }) => rejected.length > 0),
      ranges.map((_, index) => index === 0),
    );
    assert.equal(parts.flatMap(({ rejected }) => rejected).length, 10);
    assert.equal(new Set(parts.flatMap(keysOf)).size, 10);
  });

  for (const index of ['without an index', 'with an index', 'with a constraint'] as const) {
    it(`is walked in code point order ${index}`, async () => {
      const label = graph.labels.agent;
      if (index === 'with an index') await graph.run(`CREATE INDEX ${label} FOR (n:${label}) ON (n.id)`);
      if (index === 'with a constraint') await store.prepare();
      if (index !== 'without an index') await graph.run('CALL db.awaitIndexes()');
      const high = ['\ud7ff', '\ue000', '\uffee', '\uffff', '\u{10000}', '😀', '\u{10ffff}'];
      const ids = [
        ...high,
        ...high.map((text) => `x${text}`),
        ...high.map((text) => `x${text}y`),
        'x',
        'é',
        'e\u0301',
        ' ',
        '\u2028a',
        'a\nb',
      ];
      await plant(`UNWIND $ids AS id CREATE (:Agent {id: id, type: 't', active: true})`, { ids });
      await plant('MATCH (a:Agent), (b:Agent) CREATE (a)-[:KNOWS {strength: 1}]->(b)');
      const sorted = ids.toSorted(compareCodePoints);

      const scanned = await scanAll(store, 'agent', { limit: 4 });
      assert.deepEqual(keysOf(scanned), sorted);
      for (const after of sorted) {
        const rest = await scanAll(store, 'agent', { limit: 100, range: { after: [after], until: ['x😀'] } });
        const expected = sorted.filter(
          (id) => compareCodePoints(id, after) > 0 && compareCodePoints(id, 'x😀') <= 0,
        );
        assert.deepEqual(keysOf(rest), expected, JSON.stringify(after));
      }
      const ties = await scanAll(store, 'relationship', { limit: 50 });
      assert.deepEqual(
        ties.rows.map(({ entity }) => [entity.source, entity.target]),
        sorted.flatMap((source) => sorted.map((target) => [source, target])),
      );
    });
  }

  it('takes what is left unsaid from the configuration', async () => {
    await plant("CREATE (:Agent {id: 'ann'})-[:KNOWS]->(:Agent {id: 'bob', type: 't', active: false})");
    const lenient = await graph.open('legacy', KINDS, {
      defaults: { type: 'agent', active: true, strength: 50 },
    });
    const { rows } = await scanAll(lenient, 'agent');
    assert.deepEqual(rows[0]?.entity, { id: 'ann', type: 'agent', active: true, attributes: {} });
    assert.equal(rows[1]?.entity.active, false);
    assert.equal((await scanAll(lenient, 'relationship')).rows[0]?.entity.strength, 50);
  });

  it('gives relationships with whatever their application took for a time', async () => {
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

  it('names each embedding that cannot be moved and why, and moves the rest', async () => {
    await plant(`UNWIND range(1, 5) AS i CREATE (:Memory {id: 'good' + i, agentId: 'a', text: 'hello', model: 'm', embedding: [0.5, -0.0, 1.0 * i]})
      WITH count(*) AS ok
      CREATE (:Memory {id: 'short', agentId: 'a', model: 'm', embedding: [0.5, 1.0]}),
      (:Memory {id: 'none', agentId: 'a', model: 'm'}),
      (:Memory {id: 'empty', agentId: 'a', model: 'm', embedding: []}),
      (:Memory {id: 'nan', agentId: 'a', model: 'm', embedding: [0.5, 0.0 / 0.0, 1.0]}),
      (:Memory {id: 'beyond', agentId: 'a', model: 'm', embedding: [0.5, 1e300, 1.0]}),
      (:Memory {id: 'words', agentId: 'a', model: 'm', embedding: ['a', 'b', 'c']}),
      (:Memory {id: 'text', agentId: 'a', model: 'm', embedding: 'AAAA'}),
      (:Memory {id: 'ownerless', model: 'm', embedding: [0.5, 0.5, 1.0]}),
      (:Memory {id: 'modelless', agentId: 'a', embedding: [0.5, 0.5, 1.0]})`);
    const strict = await graph.open('legacy', KINDS, {
      space: { revision: '2', metric: 'l2', normalised: false },
    });
    const scanned = await scanAll(strict, 'embedding');
    assert.deepEqual(keysOf(scanned), ['good1', 'good2', 'good3', 'good4', 'good5']);
    assert.deepEqual(scanned.rows[1]?.entity, {
      id: 'good2',
      agentId: 'a',
      vector: Buffer.from(float32Bytes([0.5, -0, 2])),
      dimension: 3,
      space: { model: 'm', revision: '2', metric: 'l2', normalised: false },
      metadata: { text: 'hello' },
    });
    assert.match(reasonFor(scanned, '"short"'), /vector has 2 dimensions, the others have 3/);
    assert.match(reasonFor(scanned, '"none"'), /it has no embedding/);
    assert.match(reasonFor(scanned, '"empty"'), /vector is empty/);
    assert.match(reasonFor(scanned, '"nan"'), /NaN at place 1/);
    assert.match(reasonFor(scanned, '"beyond"'), /Infinity at place 1/);
    assert.match(reasonFor(scanned, '"words"'), /no number at place 0/);
    assert.match(reasonFor(scanned, '"text"'), /"embedding" is no list/);
    assert.match(reasonFor(scanned, '"ownerless"'), /agentId is not a string/);
    assert.match(reasonFor(scanned, '"modelless"'), /names no model/);
  });

  it('rounds a component that is no float32 to the nearest one', async () => {
    await plant("CREATE (:Memory {id: 'm', agentId: 'a', model: 'm', embedding: [0.1, 1, 16777217]})");
    const { rows } = await scanAll(store, 'embedding');
    const vector = Buffer.from(rows[0]?.entity.vector ?? []);
    assert.deepEqual(
      [0, 4, 8].map((at) => vector.readFloatLE(at)),
      [Math.fround(0.1), 1, 16_777_216],
    );
  });

  it('takes the dimension from the vector index before any majority', async () => {
    const { memory } = graph.labels;
    await graph.run(`CREATE VECTOR INDEX ${memory} FOR (m:${memory}) ON m.embedding
      OPTIONS { indexConfig: { \`vector.dimensions\`: 2, \`vector.similarity_function\`: 'cosine' } }`);
    await plant(
      "UNWIND range(1, 4) AS i CREATE (:Memory {id: 'm' + i, agentId: 'a', model: 'm', embedding: CASE WHEN i = 1 THEN [1.0, 0.0] ELSE [1.0, 0.0, 0.0] END})",
    );
    const scanned = await scanAll(store, 'embedding');
    assert.deepEqual(keysOf(scanned), ['m1']);
    assert.equal(scanned.rejected.length, 3);
  });

  it('is walked in bounded chunks through a hub, and goes on inside one', async () => {
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

  it('stops a scan when it is told to', async () => {
    await plant("UNWIND range(1, 50) AS i CREATE (:Agent {id: 'n' + i, type: 't', active: true})");
    const stop = new AbortController();
    const chunks = store.source
      .scan('agent', WHOLE_RANGE, { limit: 10, signal: stop.signal })
      [Symbol.asyncIterator]();
    await chunks.next();
    stop.abort(new Error('told to'));
    await assert.rejects(async () => await chunks.next(), /told to/);
  });
});
