import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Record as Row } from 'neo4j-driver';
import { upsertNodes } from '../../connectors/neo4j/apply-nodes.ts';
import { upsertRelationships } from '../../connectors/neo4j/apply-relationships.ts';
import type { Neo4jClient, Transaction } from '../../connectors/neo4j/client.ts';
import { deleteRelationships } from '../../connectors/neo4j/delete-relationships.ts';
import { namesOf } from '../../connectors/neo4j/names.ts';
import { readNodes } from '../../connectors/neo4j/read-nodes.ts';
import { readTies, readTiesFrom } from '../../connectors/neo4j/read-ties.ts';
import { agentProperties } from '../../connectors/neo4j/rows.ts';
import type { ChangeOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import { testGraph } from './neo4j-graph.ts';

const V = 1_700_000_000_000_000;
const KINDS: readonly Kind[] = ['agent', 'relationship'];

/** Operators that read more than they are asked for. Eager is bounded by the batch, and wanted in a guarded upsert. */
const UNBOUNDED = /AllNodesScan|LabelScan|IndexScan|AllRelationshipsScan|RelationshipTypeScan/;

interface Plan {
  readonly operatorType: string;
  readonly children?: readonly Plan[];
}

function operatorsOf(plan: Plan): readonly string[] {
  return [plan.operatorType, ...(plan.children ?? []).flatMap(operatorsOf)];
}

/** Without properties of its own it has another text. */
const bareTie = () =>
  upsert(
    'relationship',
    { ...sampleEntity('relationship', { name: 'bare' }), properties: {} },
    V,
  ) as ChangeOf<'relationship'>;

/** An Apply runs its second child for the rows of its first: there the locks are taken, and collected. */
function countIsBehindLocks(plan: Plan): boolean {
  const [first, second] = plan.children ?? [];
  if (second !== undefined && operatorsOf(second).some((name) => name.startsWith('NodeCountFromCountStore')))
    return first !== undefined && operatorsOf(first).some((name) => name.startsWith('EagerAggregation'));
  return (plan.children ?? []).some(countIsBehindLocks);
}

/** The planner goes by statistics, so each plan is looked at in an empty graph and in one that tempts it. */
for (const content of ['an empty graph', 'a graph of some size'] as const) {
  describe(`the plans of the Neo4j statements in ${content}`, () => {
    const graph = testGraph();
    const names = namesOf(graph.labels);
    const plans: { readonly text: string; readonly plan: Plan }[] = [];
    const explained: Transaction = {
      async run(text, parameters = {}) {
        const { summary } = await graph.driver.executeQuery(`EXPLAIN ${text}`, parameters);
        if (summary.plan === false) throw new Error('no plan');
        plans.push({ text, plan: summary.plan });
        // As if one of one had won.
        const answer = new Row(['seen', 'lost', 'won'], [1, [], [0]]);
        return {
          rows: text.includes('seen') || text.includes('won') ? [answer] : [],
          nodesCreated: 1,
          retried: false,
        };
      },
    };
    const client = {
      transact: <T>(work: (transaction: Transaction) => Promise<T>) => work(explained),
    } as Neo4jClient;

    before(async () => {
      const store = await graph.open('target', KINDS);
      await store.prepare();
      if (content === 'an empty graph') {
        // Of agents, that is. In a database without any relationship, reading all of them is the best plan there is.
        await graph.run(
          `UNWIND range(1, 100) AS i
           CREATE (:${graph.labels.memory} {id: 's' + i})-[:OTHER]->(:${graph.labels.memory} {id: 't' + i})`,
        );
        return;
      }
      await graph.run(
        `UNWIND range(1, 3000) AS i CREATE (n:${graph.labels.agent} {id: 'n' + i, _version: 1})
         WITH collect(n) AS all UNWIND range(0, 8999) AS i
         WITH all[(i / 24) * 8] AS source, all[(i * 31) % 3000] AS target
         CREATE (source)-[:KNOWS {strength: 1}]->(target)`,
      );
      await graph.run('CALL db.prepareForReplanning()');
    });
    after(() => graph.remove());

    function assertBounded(): void {
      assert.ok(plans.length > 0);
      for (const { text, plan } of plans.splice(0)) {
        for (const operator of operatorsOf(plan)) assert.doesNotMatch(operator, UNBOUNDED, text);
      }
    }

    it('reach what they write by an index or an element id', async () => {
      const agent = sampleEntity('agent', { name: 'planned' });
      const tie = upsert('relationship', sampleEntity('relationship', { name: 'planned' }), V);
      const gone = removal('relationship', sampleKey('relationship', 'planned'), V);
      await upsertNodes(explained, names.agent, [
        { key: agent.id, version: V, properties: agentProperties(agent, V) },
      ]);
      await upsertRelationships(explained, names, [tie as ChangeOf<'relationship'>]);
      await upsertRelationships(explained, names, [bareTie()]);
      await deleteRelationships(explained, names, [gone as ChangeOf<'relationship'>]);
      for (const { text, plan } of plans) {
        // A hub's relationships are not walked to find the one to another agent.
        assert.ok(!operatorsOf(plan).some((operator) => operator.startsWith('Expand(All)')), text);
      }
      assertBounded();
    });

    it('reach what they read by an index or an element id', async () => {
      // The planner knows how long a list is: many of few nodes it finds faster by reading all of them.
      const some = Array.from(
        { length: content === 'an empty graph' ? 1 : 40 },
        (_, index) => `4:x:${index}`,
      );
      await readNodes(client, names.agent, { keys: ['n1'] });
      await readNodes(client, names.agent, { placed: [{ id: 'n1', at: '4:x:1' }] });
      await readTies(client, ['5:x:1']);
      await readTiesFrom(client, graph.labels.agent, some);
      assertBounded();
    });

    it('read no version before its lock', async () => {
      const agent = sampleEntity('agent', { name: 'planned' });
      const tie = upsert('relationship', sampleEntity('relationship', { name: 'planned' }), V);
      await upsertNodes(explained, names.agent, [
        { key: agent.id, version: V, properties: agentProperties(agent, V) },
      ]);
      await upsertRelationships(explained, names, [tie as ChangeOf<'relationship'>]);
      await upsertRelationships(explained, names, [bareTie()]);
      for (const { text, plan } of plans.splice(0)) {
        const shown = JSON.stringify(plan);
        assert.doesNotMatch(shown, /cache\[[nr]\._version\]/, text);
        // What is buried is counted when all locks are held.
        if (text.includes('buried')) assert.ok(countIsBehindLocks(plan), text);
      }
    });
  });
}
