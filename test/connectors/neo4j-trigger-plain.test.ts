import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Neo4jError } from 'neo4j-driver';
import type { OutboxBatch } from '../../connectors/capture.ts';
import { drainedBatch, said } from './neo4j-capture-support.ts';
import { FAR, smallTransaction } from './neo4j-trigger-alike.ts';
import { randomOf, type Statement } from './neo4j-trigger-random.ts';
import { follow, sharedTriggeredGraph, type TriggeredGraph, withLabels } from './neo4j-trigger-support.ts';

const TRANSACTIONS = 100;
const VECTOR = [1, 0, 0, 0, 0, 0, 0, 0];

/** What happened in one graph: the entries, without what differs between any two graphs, and what the store holds. */
interface Outcome {
  readonly error: string;
  readonly entries: readonly unknown[];
  readonly unreadable: readonly unknown[];
  readonly nodes: readonly unknown[];
}

describe('a plain transaction under the Neo4j trigger', () => {
  const plain = sharedTriggeredGraph();
  const general = sharedTriggeredGraph();

  /** Whoever deletes a node, even one that is not ours, is not plain. */
  async function outcomeOf(
    graph: TriggeredGraph,
    statements: readonly Statement[],
    isPlain: boolean,
  ): Promise<Outcome & { readonly batch: OutboxBatch }> {
    await graph.write('CREATE (:Agent_helper)');
    const session = graph.graph.driver.session();
    let error = '';
    try {
      const transaction = session.beginTransaction();
      if (!isPlain) await transaction.run(withAllLabels(graph, 'MATCH (h:Agent_helper) DELETE h'));
      for (const { text, parameters } of statements) {
        await transaction.run(withAllLabels(graph, text), parameters);
      }
      await transaction.commit();
    } catch (thrown) {
      if (!(thrown instanceof Neo4jError)) throw thrown;
      error =
        /Changeover refuses this write: .*?(?=, changeover_|\}|$)/.exec(thrown.message)?.[0] ?? thrown.code;
    } finally {
      await session.close();
    }
    const batch = await drainedBatch(graph.capture);
    return {
      error,
      entries: batch.entries
        .map(({ change: { op, kind, key, before: was, after: is, version } }) => ({
          op,
          key: `${kind} ${key}`,
          was,
          is,
          version: version > FAR ? version : 'now',
        }))
        .toSorted((left, right) => left.key.localeCompare(right.key)),
      unreadable: batch.unreadable.map(({ reason }) => reason).toSorted(),
      nodes: await nodesOf(graph),
      batch,
    };
  }

  it('is captured as any other: random transactions leave the same entries, versions and nodes', {
    timeout: 300_000,
  }, async () => {
    const random = randomOf(20_261_127);
    const [followedPlain, followedGeneral] = [new Map(), new Map()];
    let captured = 0;
    for (let count = 1; count <= TRANSACTIONS; count++) {
      const statements = smallTransaction(random);
      const [one, other] = [
        await outcomeOf(plain(), statements, true),
        await outcomeOf(general(), statements, false),
      ];
      const { batch, ...left } = one;
      const { batch: otherBatch, ...right } = other;
      assert.deepEqual(left, right, `transaction ${count}: ${JSON.stringify(statements)}`);
      follow(batch.entries, followedPlain);
      follow(otherBatch.entries, followedGeneral);
      captured += batch.entries.length;
    }
    assert.ok(captured > TRANSACTIONS / 2, `${captured} entries`);
  });
});

describe('the short way through the Neo4j trigger', () => {
  let find = '';
  // Before the graph is cleared, which is not plain.
  after(() => replaceGeneralWay(graph(), () => find));
  const graph = sharedTriggeredGraph();

  before(async () => {
    await graph().write(
      `CREATE (:Agent {id: 'held', type: 'x', active: true})-[:KNOWS {strength: 1}]->(:Agent {id: 'known', type: 'x', active: true}),
         (:Memory {id: 'held', agentId: 'held', model: 'test-model', embedding: $vector}), (:Agent_off {id: 'off'})`,
      { vector: VECTOR },
    );
    await graph().drained();
    find = await replaceGeneralWay(graph(), failing);
  });

  for (const [what, text, expected] of [
    ['makes agents', `CREATE (:Agent {id: 'new', type: 'x', active: true})`, ['c agent new']],
    ['changes an agent', `MATCH (n:Agent {id: 'held'}) SET n.age = 1, n.name = 'n'`, ['u agent held']],
    [
      'replaces all properties',
      `MATCH (n:Agent {id: 'held'}) SET n = {id: 'held', type: 'y', active: true}`,
      ['u agent held'],
    ],
    [
      'makes a memory',
      `CREATE (:Memory {id: 'new', agentId: 'a', model: 'test-model', embedding: $vector})`,
      ['c embedding new'],
    ],
    ['changes a memory', `MATCH (n:Memory {id: 'held'}) SET n.text = 't'`, ['u embedding held']],
  ] as const) {
    it(`is taken by what ${what}`, async () => {
      await graph().write(text, { vector: VECTOR });
      assert.deepEqual(said(await graph().drained()), expected);
    });
  }

  it('is taken by what writes fifty agents', async () => {
    await graph().write(
      `UNWIND range(1, 50) AS i CREATE (:Agent {id: 'fifty ' + i, type: 'x', active: true})`,
    );
    assert.equal((await graph().drained()).length, 50);
  });

  for (const [what, text] of [
    ['deletes a node', `MATCH (n:Memory {id: 'held'}) DELETE n`],
    ['takes a label', `MATCH (n:Agent {id: 'held'}) REMOVE n:Agent`],
    ['gives a label to a node that was there', `MATCH (n:Agent_off) SET n:Agent`],
    ['changes an id', `MATCH (n:Agent {id: 'held'}) SET n.id = 'other'`],
    ['takes an id', `MATCH (n:Agent {id: 'held'}) REMOVE n.id`],
    ['takes a vector', `MATCH (n:Memory {id: 'held'}) REMOVE n.embedding`],
    ['makes a relationship', `MATCH (n:Agent {id: 'held'}) CREATE (n)-[:KNOWS {strength: 1}]->(n)`],
    ['changes a relationship', `MATCH (:Agent {id: 'held'})-[r]->() SET r.strength = 2`],
    ['takes a property of a relationship', `MATCH (:Agent {id: 'held'})-[r]->() REMOVE r.strength`],
    ['deletes a relationship', `MATCH (:Agent {id: 'held'})-[r]->() DELETE r`],
    ['writes many', `UNWIND range(1, 51) AS i CREATE (:Agent {id: 'many ' + i, type: 'x', active: true})`],
    [
      'writes nodes of both kinds',
      `MATCH (n:Agent {id: 'held'}), (m:Memory {id: 'held'}) SET n.both = 1, m.both = 1`,
    ],
  ] as const) {
    it(`is not taken by what ${what}`, async () => {
      await assert.rejects(graph().write(text), /the general way was taken/);
      assert.deepEqual(await graph().drained(), []);
    });
  }
});

/** With the labels of stubs, too, which follow from the others. */
function withAllLabels(graph: TriggeredGraph, text: string): string {
  const { agent, memory } = graph.graph.labels;
  return withLabels(
    graph,
    text
      .replaceAll(':Stub', `:ChangeoverStub_${agent}`)
      .replaceAll(':MemoryStub', `:ChangeoverStub_${memory}`),
  );
}

/** All nodes that are there, tombstones among them: labels without what is the graph's own, properties, versions of the clock left out. */
async function nodesOf({ graph }: TriggeredGraph): Promise<readonly unknown[]> {
  const { agent, memory } = graph.labels;
  const rows = await graph.run(
    `MATCH (n) WHERE any(label IN labels(n) WHERE label CONTAINS $agent OR label CONTAINS $memory)
       AND NOT any(label IN labels(n) WHERE label CONTAINS 'Relay' OR label CONTAINS 'Canary' OR label CONTAINS 'helper')
     RETURN labels(n) AS labels, properties(n) AS properties`,
    { agent, memory },
  );
  return rows
    .map((row) => {
      const labels: readonly string[] = row.get('labels');
      return JSON.stringify([
        labels.map((label) => label.replace(agent, 'Agent').replace(memory, 'Memory')).toSorted(),
        Object.entries(row.get('properties')).toSorted().map(withoutClock),
      ]);
    })
    .toSorted();
}

const withoutClock = ([name, value]: readonly [string, unknown]): readonly [string, unknown] =>
  /version$/.test(name) && Number(value) > 1_000_000_000_000_000 && Number(value) < FAR
    ? [name, 'now']
    : [name, typeof value === 'object' ? String(value) : value];

/** Fails what goes the general way and concerns this graph: the trigger looks at the transactions of other tests, too. */
function failing(find: string, agent: string): string {
  const literal = `'${find.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return `CALL apoc.cypher.doIt(${literal}, {tx: tx, set: set}) YIELD value
    WITH value, tx.createdRelationships + tx.deletedRelationships
      + [k IN keys(tx.assignedRelationshipProperties) | tx.assignedRelationshipProperties[k][0].relationship]
      + [k IN keys(tx.removedRelationshipProperties) | tx.removedRelationshipProperties[k][0].relationship] AS ties
    WHERE value.hasAgents OR value.hasMemories OR any(r IN ties WHERE startNode(r):${agent})
    CALL apoc.util.validate(true, 'the general way was taken', []) RETURN 1 AS one`;
}

/** Puts another statement in the place of the general way's first part; answers that one. */
async function replaceGeneralWay(
  { graph }: TriggeredGraph,
  other: (find: string, agent: string) => string,
): Promise<string> {
  const name = `changeover_${graph.labels.agent}`;
  const { database } = graph.options();
  const running = async () =>
    (await graph.run('CALL apoc.trigger.list()')).find((row) => row.get('name') === name);
  const row = await running();
  const params = row?.get('params');
  const find = other(params.parts.find, graph.labels.agent);
  await graph.driver.executeQuery(
    `CALL apoc.trigger.install($database, $name, $statement, {phase: 'before'}, $config)`,
    {
      database,
      name,
      statement: row?.get('query'),
      config: { params: { ...params, parts: { ...params.parts, find } } },
    },
    { database: 'system' },
  );
  while ((await running())?.get('params').parts.find !== find) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return params.parts.find;
}
