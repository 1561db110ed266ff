import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Neo4jClient } from '../../connectors/neo4j/client.ts';
import { namesOf } from '../../connectors/neo4j/names.ts';
import { prepareSchema, requirePrepared } from '../../connectors/neo4j/schema.ts';
import { ChangeoverError, type ErrorCode } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { type TestGraph, testGraph } from './neo4j-graph.ts';

const GRAPH: readonly Kind[] = ['agent', 'relationship'];

describe('a place in Neo4j and its role', () => {
  let graph: TestGraph;
  beforeEach(() => {
    graph = testGraph();
  });
  afterEach(() => graph.remove());

  async function refuses(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof ChangeoverError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.ok(error.hint);
      return true;
    });
  }

  it('is marked by prepare, and refused to the other role', async () => {
    const legacy = await graph.open('legacy', [...GRAPH, 'embedding']);
    await legacy.prepare();
    const target = await graph.open('target', GRAPH);
    await refuses(target.prepare(), 'conflict', /belongs to legacy\.neo4j, in the role legacy/);
    const role = (await target.probe.check()).find(({ check }) => check === 'role');
    assert.equal(role?.ok, false);
    await legacy.prepare();
    const marks = await graph.run('MATCH (m:ChangeoverMark) WHERE m.label IN $labels RETURN m.role AS role', {
      labels: Object.values(graph.labels),
    });
    assert.deepEqual(
      marks.map((row) => row.get('role')),
      ['legacy', 'legacy'],
    );
  });

  it('is refused to the other role by the sink too, though nobody called its prepare', async () => {
    await (await graph.open('legacy', GRAPH)).prepare();
    const { sink } = await graph.open('target', GRAPH);
    await refuses(
      sink.apply([upsert('agent', sampleEntity('agent', { name: 'a' }), 5)]),
      'conflict',
      /role legacy/,
    );
  });

  it('can be one database for both roles when the labels differ', async () => {
    const labels = { agent: `${graph.labels.agent}_new`, memory: `${graph.labels.memory}_new` };
    const legacy = await graph.open('legacy', GRAPH);
    const target = await graph.open('target', GRAPH, { labels });
    await legacy.prepare();
    await target.prepare();
    const agent = sampleEntity('agent', { name: 'both' });
    await legacy.sink.apply([upsert('agent', agent, 5)]);
    await target.sink.apply([upsert('agent', { ...agent, active: true }, 4)]);
    assert.equal((await legacy.source.get('agent', ['both']))[0]?.version, 5);
    assert.equal((await target.source.get('agent', ['both']))[0]?.version, 4);
  });

  it('goes to one of two roles that come at once', async () => {
    const stores = [await graph.open('legacy', GRAPH), await graph.open('target', GRAPH)];
    const results = await Promise.allSettled(stores.map((store) => store.prepare()));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  it('is prepared by many processes of one role at once', async () => {
    const kinds: readonly Kind[] = [...GRAPH, 'embedding'];
    const stores = await Promise.all([1, 2, 3, 4].map(() => graph.open('legacy', kinds)));
    await Promise.all(stores.map((store) => store.prepare()));
    const failed = (await stores[0]?.probe.check())?.filter(({ ok }) => !ok);
    assert.deepEqual(failed, []);
  });

  it('is not taken as a target while nodes of somebody else are in it', async () => {
    await graph.run(`CREATE (:${graph.labels.agent} {id: 'theirs', type: 't', active: true})`);
    const target = await graph.open('target', GRAPH);
    await refuses(target.prepare(), 'conflict', /has nodes already/);
    const [row] = await graph.run(`MATCH (n:${graph.labels.agent}) RETURN properties(n) AS properties`);
    assert.deepEqual(row?.get('properties'), { id: 'theirs', type: 't', active: true });
  });

  it('is not written before it is prepared', async () => {
    const { sink } = await graph.open('target', GRAPH);
    const change = upsert('agent', sampleEntity('agent', { name: 'early' }), 5);
    await refuses(sink.apply([change]), 'mismatch', /not prepared/);
    await (await graph.open('target', GRAPH)).prepare();
    assert.deepEqual(await sink.apply([change]), [{ status: 'applied' }]);
  });

  it('is not written without the uniqueness constraint that the guard rests on', async () => {
    const store = await graph.open('target', GRAPH);
    await store.prepare();
    await graph.run(`DROP CONSTRAINT \`changeover_${graph.labels.agent}_key\``);
    const change = upsert('agent', sampleEntity('agent', { name: 'late' }), 5);
    const missing = new RegExp(`no uniqueness constraint on :${graph.labels.agent}\\(id\\)`);
    await refuses(store.sink.apply([change]), 'mismatch', missing);
    const constraints = (await store.probe.check()).find(({ check }) => check === 'constraints');
    assert.equal(constraints?.ok, false);
    assert.match(constraints?.detail ?? '', missing);
  });

  it('says that an index is in the way of the constraint', async () => {
    const { agent } = graph.labels;
    await graph.run(`CREATE INDEX ${agent} FOR (n:${agent}) ON (n.id)`);
    await refuses((await graph.open('legacy', GRAPH)).prepare(), 'conflict', /already exists an index/);
  });

  it('says that two nodes have one id, where it would have to make the constraint', async () => {
    await graph.run(`CREATE (:${graph.labels.agent} {id: 'twin'}), (:${graph.labels.agent} {id: 'twin'})`);
    await refuses(
      (await graph.open('legacy', GRAPH)).prepare(),
      'mismatch',
      /[Uu]nable to create [Cc]onstraint/,
    );
  });

  it('warns of a legacy graph that has no index on the ids', async () => {
    const store = await graph.open('legacy', GRAPH);
    const failed = (await store.probe.check()).filter(({ ok }) => !ok);
    assert.deepEqual(
      failed.map(({ check }) => check),
      ['index on id'],
    );
    assert.match(failed[0]?.fix ?? '', /CREATE CONSTRAINT/);
  });
});

describe('the name of the lock in Neo4j', () => {
  /** A server that does what a fresh one would, as far as it gets. */
  function serving({ fails, known = false }: { readonly fails?: RegExp; readonly known?: boolean }) {
    const done: string[] = [];
    const { agent, memory } = { agent: 'A', memory: 'M' };
    const run = async (text: string): Promise<readonly object[]> => {
      if (fails?.test(text) === true) throw new ChangeoverError('unreachable', 'planted');
      done.push(text);
      const row = (fields: Readonly<Record<string, unknown>>) => ({ get: (name: string) => fields[name] });
      if (text.startsWith('CALL db.propertyKeys')) return [row({ known })];
      return text.includes('RETURN m.label') ? [row({ label: agent, role: 'target', store: 'x' })] : [];
    };
    const client = { where: 'here', query: run, runAlone: run } as unknown as Neo4jClient;
    const context = { name: 'target.neo4j', role: 'target', kinds: GRAPH } as const;
    return { done, scope: { client, names: namesOf({ agent, memory }), context } };
  }

  it('is known before the marks, which a prepare that dies leaves behind', async () => {
    const { done, scope } = serving({ fails: /MERGE/ });
    await assert.rejects(prepareSchema(scope), { code: 'unreachable' });
    assert.ok(done.some((text) => text.includes('db.createProperty')));
  });

  it('is asked for before the first write: without it nothing is locked', async () => {
    await assert.rejects(requirePrepared(serving({}).scope), { code: 'mismatch', message: /_lock/ });
    await assert.rejects(requirePrepared(serving({ known: true }).scope), { message: /no uniqueness/ });
  });
});
