import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { said } from './neo4j-capture-support.ts';
import { assertFollowed, follow, sharedTriggeredGraph } from './neo4j-trigger-support.ts';

const VECTOR = [1, 0, 0, 0, 0, 0, 0, 0];
const MEMORY = `agentId: 'a', model: 'test-model', embedding: $vector`;
const KNOWS = (source: string, target: string) => `["${source}","KNOWS","${target}"]`;

describe('the Neo4j trigger captures', () => {
  const graph = sharedTriggeredGraph();

  async function entriesOf(text: string, parameters: object = {}) {
    await graph().write(text, { vector: VECTOR, ...parameters });
    return [...(await graph().drained())];
  }

  it('an agent that is created, changed and deleted', async () => {
    const created = await entriesOf(`CREATE (:Agent {id: 'one', type: 'citizen', active: true, age: 40})`);
    const changed = await entriesOf(`MATCH (n:Agent {id: 'one'}) SET n.age = 41 REMOVE n.none`);
    const trimmed = await entriesOf(`MATCH (n:Agent {id: 'one'}) REMOVE n.age`);
    const deleted = await entriesOf(`MATCH (n:Agent {id: 'one'}) DELETE n`);
    const all = [...created, ...changed, ...trimmed, ...deleted];
    assert.deepEqual(said(all), ['c agent one', 'u agent one', 'u agent one', 'd agent one']);
    assert.deepEqual(
      all.map(({ change }) => change.after),
      [
        { id: 'one', type: 'citizen', active: true, attributes: { age: 40 } },
        { id: 'one', type: 'citizen', active: true, attributes: { age: 41 } },
        { id: 'one', type: 'citizen', active: true, attributes: {} },
        null,
      ],
    );
    assert.deepEqual(deleted[0]?.change.before, trimmed[0]?.change.after);
    await assertFollowed(graph().store, follow(all));
  });

  it('what replaces all properties, the version among them', async () => {
    const first = await entriesOf(`CREATE (:Agent {id: 'two', type: 'a', active: true})`);
    const next = await entriesOf(
      `MATCH (n:Agent {id: 'two'}) SET n = {id: 'two', type: 'b', active: false, _version: 7}`,
    );
    assert.deepEqual(said([...first, ...next]), ['c agent two', 'u agent two']);
    await assertFollowed(graph().store, follow([...first, ...next]));
  });

  it('an embedding that is created, changed and deleted, and one that gets its vector later', async () => {
    const all = [
      ...(await entriesOf(`CREATE (:Memory {id: 'm', ${MEMORY}})`)),
      ...(await entriesOf(`MATCH (m:Memory {id: 'm'}) SET m.text = 'x'`)),
      ...(await entriesOf(`MATCH (m:Memory {id: 'm'}) DELETE m`)),
      ...(await entriesOf(`CREATE (:Memory {id: 'late', text: 'y'})`)),
      ...(await entriesOf(`MATCH (m:Memory {id: 'late'}) SET m += {${MEMORY}}`)),
      ...(await entriesOf(`MATCH (m:Memory {id: 'late'}) REMOVE m.embedding`)),
      ...(await entriesOf(`MATCH (m:Memory {id: 'late'}) DELETE m`)),
    ];
    assert.deepEqual(said(all), [
      'c embedding m',
      'u embedding m',
      'd embedding m',
      'c embedding late',
      'd embedding late',
    ]);
    assert.notEqual(all[4]?.change.before, null);
    follow(all);
  });

  it('a relationship that is created, changed and deleted', async () => {
    await entriesOf(
      `CREATE (:Agent {id: 'r1', type: 'x', active: true}), (:Agent {id: 'r2', type: 'x', active: true})`,
    );
    const match = `MATCH (:Agent {id: 'r1'})-[r:KNOWS]->(:Agent {id: 'r2'})`;
    const all = [
      ...(await entriesOf(
        `MATCH (s:Agent {id: 'r1'}), (t:Agent {id: 'r2'}) CREATE (s)-[:KNOWS {strength: 5, since: date('2020-01-02')}]->(t)`,
      )),
      ...(await entriesOf(`${match} SET r.strength = 6`)),
      ...(await entriesOf(`${match} REMOVE r.since`)),
      ...(await entriesOf(`${match} DELETE r`)),
    ];
    const key = KNOWS('r1', 'r2');
    assert.deepEqual(
      said(all),
      ['c', 'u', 'u', 'd'].map((op) => `${op} relationship ${key}`),
    );
    assert.deepEqual(all[3]?.change.before, all[2]?.change.after);
    await assertFollowed(graph().store, follow(all));
  });

  it('the deletes of an agent’s relationships before its own, and nothing of other nodes', async () => {
    const made = await entriesOf(
      `CREATE (h:Agent {id: 'hub', type: 'x', active: true}), (n:Agent {id: 'near', type: 'x', active: true}),
         (h)-[:KNOWS {strength: 1}]->(n), (n)-[:KNOWS {strength: 2}]->(h), (h)-[:KNOWS {strength: 3}]->(h),
         (h)-[:REMEMBERS]->(:Memory {id: 'of hub', ${MEMORY}}), (h)-[:OWNS]->(:Agent_other {id: 'thing'})`,
    );
    assert.equal(made.length, 6);
    const gone = await entriesOf(`MATCH (h:Agent {id: 'hub'}) DETACH DELETE h`);
    assert.deepEqual(said(gone).slice(0, -1).toSorted(), [
      `d relationship ${KNOWS('hub', 'hub')}`,
      `d relationship ${KNOWS('hub', 'near')}`,
      `d relationship ${KNOWS('near', 'hub')}`,
    ]);
    assert.equal(said(gone).at(-1), 'd agent hub');
    assert.ok(gone.every(({ change }) => change.before !== null));
    await assertFollowed(graph().store, follow([...made, ...gone]));
    await graph().write(`MATCH (n:Agent_other) DETACH DELETE n`);
    assert.deepEqual(await graph().drained(), []);
  });

  it('a label that is taken away and given back, with the relationships of the node', async () => {
    const all = [
      ...(await entriesOf(
        `CREATE (:Agent {id: 'l1', type: 'x', active: true})-[:KNOWS {strength: 1}]->(:Agent {id: 'l2', type: 'x', active: true})`,
      )),
      ...(await entriesOf(`MATCH (n:Agent {id: 'l2'}) REMOVE n:Agent SET n:Agent_former`)),
      ...(await entriesOf(`MATCH (n:Agent_former {id: 'l2'}) SET n.age = 3`)),
      ...(await entriesOf(`MATCH (n:Agent_former {id: 'l2'}) SET n:Agent REMOVE n:Agent_former`)),
    ];
    const tie = `relationship ${KNOWS('l1', 'l2')}`;
    assert.deepEqual(said(all).slice(3), [`d ${tie}`, 'd agent l2', 'c agent l2', `c ${tie}`]);
    await assertFollowed(graph().store, follow(all));
  });

  it('a changed id as a delete and a create, with the relationships', async () => {
    const all = [
      ...(await entriesOf(
        `CREATE (:Agent {id: 'old', type: 'x', active: true})-[:KNOWS {strength: 1}]->(:Agent {id: 'i2', type: 'x', active: true})`,
      )),
      ...(await entriesOf(`MATCH (n:Agent {id: 'old'}) SET n.id = 'new'`)),
    ];
    assert.deepEqual(said(all).slice(3), [
      `d relationship ${KNOWS('old', 'i2')}`,
      'd agent old',
      'c agent new',
      `c relationship ${KNOWS('new', 'i2')}`,
    ]);
    await assertFollowed(graph().store, follow(all));
  });

  it('a delete and a creation of one key in one transaction as one update', async () => {
    const first = await entriesOf(
      `CREATE (:Agent {id: 'again', type: 'x', active: true})-[:KNOWS {strength: 1}]->(:Agent {id: 'a2', type: 'x', active: true})`,
    );
    const next = await entriesOf(
      `MATCH (n:Agent {id: 'again'})-[r]->(t) DELETE r, n WITH t
       CREATE (:Agent {id: 'again', type: 'y', active: true})-[:KNOWS {strength: 2}]->(t)`,
    );
    assert.deepEqual(said(next), ['u agent again', `u relationship ${KNOWS('again', 'a2')}`]);
    await assertFollowed(graph().store, follow([...first, ...next]));
  });

  it('several relationships of one key as one', async () => {
    const all = [
      ...(await entriesOf(
        `CREATE (s:Agent {id: 'd1', type: 'x', active: true}), (t:Agent {id: 'd2', type: 'x', active: true}),
           (s)-[:KNOWS {strength: 1}]->(t), (s)-[:KNOWS {strength: 2}]->(t)`,
      )),
      ...(await entriesOf(`MATCH (:Agent {id: 'd1'})-[r:KNOWS {strength: 2}]->() DELETE r`)),
    ];
    const tie = `relationship ${KNOWS('d1', 'd2')}`;
    // Of one transaction: agents first, in whatever order.
    assert.deepEqual(said(all.slice(0, 2)).toSorted(), ['c agent d1', 'c agent d2']);
    assert.deepEqual(said(all.slice(2)), [`c ${tie}`, `u ${tie}`]);
    await assertFollowed(graph().store, follow(all), 'no newer');
    const [last] = await entriesOf(`MATCH (:Agent {id: 'd1'})-[r]->() DELETE r`);
    assert.deepEqual(last && said([last]), [`d ${tie}`]);
  });

  it('a stub that an application fills', async () => {
    const { store } = graph();
    await store.sink.apply([
      upsert('relationship', sampleEntity('relationship', { name: 'stubs' }), 5_000_000_000),
    ]);
    assert.deepEqual(await graph().drained(), []);
    const entries = await entriesOf(`MERGE (n:Agent {id: 'stubs>'}) SET n.type = 'x', n.active = true`);
    assert.deepEqual(said(entries), ['c agent stubs>']);
    await assertFollowed(store, follow(entries));
  });

  it('nothing of what is rolled back, of what a follower writes, and of nodes that are not ours', async () => {
    const { store } = graph();
    const session = graph().graph.driver.session();
    const transaction = session.beginTransaction();
    await transaction.run(`CREATE (:${graph().graph.labels.agent} {id: 'undone', type: 'x', active: true})`);
    await transaction.rollback();
    await session.close();
    await store.sink.apply([
      upsert('agent', sampleEntity('agent', { name: 'followed' }), 5_000_000_000),
      upsert('relationship', sampleEntity('relationship', { name: 'followed' }), 5_000_000_000),
      upsert('embedding', sampleEntity('embedding', { name: 'followed' }), 5_000_000_000),
    ]);
    await store.sink.apply([removal('agent', 'followed', 6_000_000_000)]);
    await graph().write(`CREATE (:Agent_else {id: 'x'})-[:KNOWS]->(:Agent_else {id: 'y'})`);
    await graph().write(`MATCH (n:Agent_else) DETACH DELETE n`);
    assert.deepEqual(await graph().drained(), []);
  });

  it('what the graph writer writes once, though the trigger is there', async () => {
    const [result] = await graph().capture.write([
      { kind: 'agent', key: 'by writer', entity: { ...sampleEntity('agent', { name: 'by writer' }) } },
    ]);
    assert.deepEqual(said(await graph().drained()), ['c agent by writer']);
    assert.equal(result?.status, 'written');
  });

  it('an agent that comes back with a version above its tombstone’s, whatever the clock says', async () => {
    const ahead = 9_000_000_000_000_000;
    const all = await entriesOf(
      `CREATE (:Agent {id: 'ahead', type: 'x', active: true, _version: ${ahead}})-[:KNOWS {strength: 1, _version: ${ahead + 5}}]->(:Agent {id: 'ahead2', type: 'x', active: true})`,
    );
    all.push(...(await entriesOf(`MATCH (n:Agent {id: 'ahead'}) SET n.age = 1`)));
    all.push(...(await entriesOf(`MATCH (n:Agent {id: 'ahead'}) DETACH DELETE n`)));
    all.push(
      ...(await entriesOf(
        `MATCH (t:Agent {id: 'ahead2'}) CREATE (:Agent {id: 'ahead', type: 'x', active: true})-[:KNOWS {strength: 1}]->(t)`,
      )),
    );
    assert.ok(all.every(({ change }) => change.key === 'ahead2' || change.version > ahead));
    await assertFollowed(graph().store, follow(all));
    const deletes = all.filter(({ change }) => change.op === 'd');
    assert.deepEqual(said(deletes), [`d relationship ${KNOWS('ahead', 'ahead2')}`, 'd agent ahead']);
  });

  it('values in their own types', async () => {
    const [entry] = await entriesOf(
      `CREATE (n:Agent {id: 'typed', type: 'x', active: true, minus: -0.0, half: 0.5, whole: 9007199254740991, text: 'é😀', yes: true})`,
    );
    assert.deepEqual(entry?.change.after, {
      id: 'typed',
      type: 'x',
      active: true,
      attributes: { minus: -0, half: 0.5, whole: 9_007_199_254_740_991, text: 'é😀', yes: true },
    });
    await assertFollowed(graph().store, follow(entry ? [entry] : []));
  });

  it('5,000 nodes and their relationships in one transaction', { timeout: 300_000 }, async () => {
    const all = await entriesOf(
      `UNWIND range(1, 2500) AS i
       CREATE (:Agent {id: 's' + i, type: 'x', active: true, age: i})-[:KNOWS {strength: 1}]->(:Agent {id: 't' + i, type: 'x', active: true})`,
    );
    assert.equal(all.length, 7_500);
    all.push(
      ...(await entriesOf(`MATCH (n:Agent) WHERE n.id STARTS WITH 's' AND n.age > 0 SET n.age = -n.age`)),
    );
    assert.equal(all.length, 10_000);
    all.push(
      ...(await entriesOf(`MATCH (n:Agent) WHERE n.id STARTS WITH 's' AND n.age < 0 DETACH DELETE n`)),
    );
    assert.equal(all.length, 15_000);
    follow(all);
  });
});
