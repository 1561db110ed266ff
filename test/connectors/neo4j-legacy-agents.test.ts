import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodesWithBadIds, tiesWithBadEnds } from '../../connectors/neo4j/bad-ids.ts';
import type { Neo4jClient } from '../../connectors/neo4j/client.ts';
import { openClient } from '../../connectors/neo4j/open-client.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { compareCodePoints } from '../../core/text.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { KINDS, keysOf, legacyGraph, reasonFor, scanAll } from './neo4j-legacy.ts';

describe('the agents of a legacy Neo4j graph', () => {
  const current = legacyGraph();

  it('gives its agents without versions, and needs nothing prepared', async () => {
    const { store, plant } = current();
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
    const { store, plant } = current();
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
    const { store, plant } = current();
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

  it('looks for nodes without a place once, however many there are, and gives them in chunks', async () => {
    const { graph, plant } = current();
    await plant(`UNWIND range(1, 35) AS i CREATE (n:Agent {id: i}) CREATE (n)-[:KNOWS]->(n)
      CREATE (n)-[:KNOWS]->(:Agent {id: 'a' + i}) CREATE (n)<-[:KNOWS]-(:Agent) CREATE (n)<-[:KNOWS]-(:Agent {id: 'b' + i})`);
    const client = await openClient(graph.options(), silentLogger);
    let statements = 0;
    const counting = {
      stream(text: string) {
        statements++;
        return client.stream(text);
      },
      query: client.query.bind(client),
    } as unknown as Neo4jClient;
    const looker = { client: counting, clock: systemClock };
    try {
      const nodes = await Array.fromAsync(nodesWithBadIds(looker, graph.labels.agent, 10));
      const ties = await Array.fromAsync(tiesWithBadEnds(looker, graph.labels.agent, 10));
      assert.equal(statements, 2);
      for (const [chunks, expected] of [
        [nodes, 70],
        [ties, 140],
      ] as const) {
        assert.ok(chunks.every((chunk) => chunk.length <= 10));
        assert.equal(chunks.flat().length, expected);
        assert.equal(new Set(chunks.flat().map(({ where }) => where)).size, expected);
      }
    } finally {
      await client.close();
    }
  });

  for (const index of ['without an index', 'with an index', 'with a constraint'] as const) {
    it(`is walked in code point order ${index}`, async () => {
      const { graph, store, plant } = current();
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
    const { graph, plant } = current();
    await plant("CREATE (:Agent {id: 'ann'})-[:KNOWS]->(:Agent {id: 'bob', type: 't', active: false})");
    const lenient = await graph.open('legacy', KINDS, {
      defaults: { type: 'agent', active: true, strength: 50 },
    });
    const { rows } = await scanAll(lenient, 'agent');
    assert.deepEqual(rows[0]?.entity, { id: 'ann', type: 'agent', active: true, attributes: {} });
    assert.equal(rows[1]?.entity.active, false);
    assert.equal((await scanAll(lenient, 'relationship')).rows[0]?.entity.strength, 50);
  });

  it('stops a scan when it is told to', async () => {
    const { store, plant } = current();
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
