import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Transaction as DriverTransaction, int, type Neo4jError } from 'neo4j-driver';
import type { Store } from '../../connectors/connector.ts';
import { deleteNodes, upsertNodes } from '../../connectors/neo4j/apply-nodes.ts';
import { upsertRelationships } from '../../connectors/neo4j/apply-relationships.ts';
import type { Transaction } from '../../connectors/neo4j/client.ts';
import { deleteRelationships } from '../../connectors/neo4j/delete-relationships.ts';
import { namesOf } from '../../connectors/neo4j/names.ts';
import { agentProperties } from '../../connectors/neo4j/rows.ts';
import type { Change, ChangeOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { removal, upsert } from '../support/changes.ts';
import { sampleEntity, sampleKey } from '../support/entities.ts';
import { testGraph } from './neo4j-graph.ts';

const V = 1_700_000_000_000_000;
const KINDS: readonly Kind[] = ['agent', 'relationship'];

/** The sink's statements in a transaction that the test ends when it likes. */
function statements(transaction: DriverTransaction): Transaction {
  return {
    async run(text, parameters = {}) {
      const { records, summary } = await transaction.run(text, parameters);
      return { rows: records, nodesCreated: summary.counters.updates().nodesCreated, retried: false };
    },
  };
}

describe('the version guard of the Neo4j sink', () => {
  const graph = testGraph();
  const names = namesOf(graph.labels);
  let store: Store;

  before(async () => {
    store = await graph.open('target', KINDS);
    await store.prepare();
  });
  after(() => graph.remove());

  /** Applies in a transaction that stays open; answers how to commit it. */
  async function applyAndHold(change: Change): Promise<() => Promise<void>> {
    const session = graph.driver.session();
    const transaction = await session.beginTransaction();
    if (change.kind === 'relationship') {
      await upsertRelationships(statements(transaction), names, [change as ChangeOf<'relationship'>]);
    } else {
      const { after: agent } = change as ChangeOf<'agent'>;
      assert.ok(agent !== null);
      await upsertNodes(statements(transaction), names.agent, [
        { key: change.key, version: change.version, properties: agentProperties(agent, change.version) },
      ]);
    }
    return async () => {
      await transaction.commit();
      await session.close();
    };
  }

  for (const kind of KINDS) {
    for (const existing of ['that is there', 'that is not there'] as const) {
      for (const late of ['an older state', 'an older delete'] as const) {
        it(`lets ${late} of ${kind} ${existing} wait for a newer change under way, and calls it stale`, async () => {
          const name = `${existing} ${late}`;
          const at = (variant: number) => sampleEntity(kind, { name, variant });
          if (existing === 'that is there') await store.sink.apply([upsert(kind, at(1), V + 1)]);

          const commit = await applyAndHold(upsert(kind, at(9), V + 9));
          let answered = false;
          const older =
            late === 'an older state'
              ? upsert(kind, at(5), V + 5)
              : removal(kind, sampleKey(kind, name), V + 5);
          const outcome = store.sink.apply([older]).then((outcomes) => {
            answered = true;
            return outcomes;
          });
          await delay(300);
          assert.equal(answered, false, 'it did not wait for the lock');
          await commit();

          assert.deepEqual(await outcome, [{ status: 'stale' }]);
          const [held] = await store.source.get(kind, [sampleKey(kind, name)]);
          assert.equal(held?.version, V + 9);
          assert.deepEqual(held?.entity, at(9));
        });
      }
    }
  }

  for (const kind of KINDS) {
    it(`lets an older state of ${kind} wait for a delete under way, though nothing was buried before`, async () => {
      const own = testGraph();
      const ownNames = namesOf(own.labels);
      const ownStore = await own.open('target', KINDS);
      await ownStore.prepare();
      const [name, key] = ['first grave', sampleKey(kind, 'first grave')];
      const state = (version: number) => upsert(kind, sampleEntity(kind, { name }), version);
      // What is waited for outlives the delete; else the one that waited begins anew, and sees what was buried.
      const tie = sampleEntity('relationship', { name });
      const agent = sampleEntity('agent', { name });
      const [source, target] = kind === 'agent' ? [agent.id, tie.target] : [tie.source, tie.target];
      await ownStore.sink.apply([
        ...(kind === 'agent' ? [] : [upsert('agent', { ...agent, id: source }, V)]),
        upsert('agent', { ...agent, id: target }, V),
        ...(kind === 'agent' ? [upsert('relationship', { ...tie, source }, V)] : []),
        state(V + 1),
      ]);

      const session = own.driver.session();
      const transaction = await session.beginTransaction();
      const gone = removal(kind, key, V + 9);
      if (kind === 'relationship')
        await deleteRelationships(statements(transaction), ownNames, [gone as ChangeOf<'relationship'>]);
      else await deleteNodes(statements(transaction), ownNames.agent, [gone as ChangeOf<'agent'>]);
      const outcome = ownStore.sink.apply([state(V + 5)]);
      await delay(300);
      await transaction.commit();
      await session.close();

      assert.deepEqual(await outcome, [{ status: 'stale' }]);
      assert.deepEqual(await ownStore.source.get(kind, [key]), [{ version: V + 9, entity: null }]);
      await own.remove();
    });
  }

  const APPLICATION_WRITES: Readonly<Record<string, string>> = {
    agent: 'MATCH (e:%L {id: $key}) SET e._version = $version',
    relationship: 'MATCH (:%L {id: $source})-[e:KNOWS]->(:%L {id: $target}) SET e._version = $version',
  };

  for (const kind of KINDS) {
    for (const late of ['state', 'delete'] as const) {
      it(`waits for a captured write of an application under way before it reads a version: ${late} of ${kind}`, async () => {
        const name = `captured ${late}`;
        const [key, entity] = [sampleKey(kind, name), sampleEntity(kind, { name })];
        await store.sink.apply([upsert(kind, entity, V + 1)]);
        const session = graph.driver.session();
        const transaction = await session.beginTransaction();
        // Unlike the sink, it locks the one node or relationship, and no entry of an index.
        await transaction.run((APPLICATION_WRITES[kind] ?? '').replaceAll('%L', graph.labels.agent), {
          key,
          version: int(V + 9),
          ...('source' in entity ? { source: entity.source, target: entity.target } : {}),
        });
        const older = late === 'state' ? upsert(kind, entity, V + 5) : removal(kind, key, V + 5);
        const outcome = store.sink.apply([older]);
        await delay(300);
        // Of a relationship the application takes the lock first and those of its ends when it commits, the sink the
        // other way round: the server may refuse either of them. Then the refused one has written nothing.
        const refused = await transaction.commit().then(
          () => false,
          (error: Neo4jError) => error.code.endsWith('DeadlockDetected'),
        );
        await session.close();
        assert.ok(!refused || kind === 'relationship');
        assert.deepEqual(await outcome, [{ status: refused ? 'applied' : 'stale' }]);
        const [held] = await store.source.get(kind, [key]);
        assert.equal(held?.version, refused ? V + 5 : V + 9);
      });
    }
  }

  it('takes locks in one order, so that clients that write the same nodes do not deadlock', async () => {
    const ties = Array.from({ length: 300 }, (_, index) => ({
      ...sampleEntity('relationship', { name: 'any' }),
      source: `knot ${(index * 7) % 60}`,
      target: `knot ${(index * 11 + 1) % 60}`,
      type: index % 2 === 0 ? 'KNOWS' : 'TRUSTS',
    }));
    const writeRounds = async (client: number): Promise<void> => {
      const session = graph.driver.session();
      for (let round = 0; round < 8; round++) {
        // Each client has other relationships between the same agents.
        const own = ties.filter((_, index) => (index + round) % 3 !== client);
        const changes = own.map((tie) => upsert('relationship', tie, V + round * 10 + client));
        // Without the driver's own second try, which would hide a deadlock.
        const transaction = await session.beginTransaction();
        await upsertRelationships(
          statements(transaction),
          names,
          changes as readonly ChangeOf<'relationship'>[],
        );
        await transaction.commit();
      }
      await session.close();
    };
    await Promise.all([0, 1, 2].map(writeRounds));
  });
});
