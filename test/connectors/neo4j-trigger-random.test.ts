import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Neo4jError } from 'neo4j-driver';
import type { EntityWrite, OutboxEntry } from '../../connectors/capture.ts';
import { sampleEntity } from '../support/entities.ts';
import { drainedBatch } from './neo4j-capture-support.ts';
import { scanAll } from './neo4j-legacy.ts';
import { type Random, randomOf, randomTransaction } from './neo4j-trigger-random.ts';
import {
  assertFollowed,
  type Followed,
  follow,
  sharedTriggeredGraph,
  withLabels,
} from './neo4j-trigger-support.ts';

const ALONE = 120;
const WRITERS = 8;
const EACH = 15;

describe('random transactions under the Neo4j trigger', () => {
  const graph = sharedTriggeredGraph();

  /** One transaction, committed or not. */
  async function transact(random: Random): Promise<void> {
    const statements = randomTransaction(random);
    const isGivenUp = random() < 0.1;
    for (let attempt = 1; ; attempt++) {
      const session = graph().graph.driver.session();
      try {
        const transaction = session.beginTransaction();
        for (const { text, parameters } of statements) {
          await transaction.run(withLabels(graph(), text), parameters);
        }
        await (isGivenUp ? transaction.rollback() : transaction.commit());
        return;
      } catch (error) {
        if (isClash(error)) return;
        if (!isDeadlock(error) || attempt > 50) throw error;
      } finally {
        await session.close();
      }
    }
  }

  /** What the store holds is what a follower of the outbox holds: no more, no less, nothing else. */
  async function assertSame(entries: readonly OutboxEntry[], followed: Followed): Promise<void> {
    follow(entries, followed);
    const { store } = graph();
    await assertFollowed(store, followed, 'no newer');
    for (const kind of ['agent', 'relationship', 'embedding'] as const) {
      const live = [...followed.values()].filter((each) => each.kind === kind && each.held.entity !== null);
      const { rows } = await scanAll(store, kind);
      assert.deepEqual(rows.map(({ key }) => key).toSorted(), live.map(({ key }) => key).toSorted(), kind);
    }
  }

  /** Several relationships of one key are no entity to the source; so that they can be compared, one of them stays. */
  async function everything(): Promise<readonly OutboxEntry[]> {
    await graph().write(
      `MATCH (s:Agent)-[r]->(t:Agent) WITH s, t, type(r) AS type, collect(r) AS ties WHERE size(ties) > 1
       FOREACH (r IN ties[1..] | DELETE r)`,
    );
    const { entries } = await drainedBatch(graph().capture);
    return entries;
  }

  it('leave in the outbox what the store holds', { timeout: 300_000 }, async () => {
    const seed = 20_261_126;
    const random = randomOf(seed);
    const followed: Followed = new Map();
    for (let count = 1; count <= ALONE; count++) {
      await transact(random);
      if (count % 20 === 0) await assertSame(await everything(), followed);
    }
  });

  it('leave it so when eight writers are at it, the graph writer among them', {
    timeout: 300_000,
  }, async () => {
    await graph().write('MATCH (n:Agent) DETACH DELETE n');
    await graph().write('MATCH (n:Memory) DETACH DELETE n');
    await graph().write('MATCH (n:Agent_off) DETACH DELETE n');
    await drainedBatch(graph().capture);
    await Promise.all(
      Array.from({ length: WRITERS }, async (_, writer) => {
        const random = randomOf(writer);
        for (let count = 0; count < EACH; count++) {
          if (writer === 0) await graph().capture.write([randomWrite(random)]);
          else await transact(random);
        }
      }),
    );
    await assertSame(await everything(), new Map());
  });
});

function randomWrite(random: Random): EntityWrite {
  const key = 'abcde'[Math.floor(random() * 5)] ?? 'a';
  const agent = sampleEntity('agent', { name: key, variant: Math.floor(random() * 100) });
  return { kind: 'agent', key, entity: random() < 0.4 ? null : agent };
}

/** Two writers gave one id to two nodes, or one deleted a node to which another gave a relationship. */
function isClash(error: unknown): boolean {
  const clash = /ConstraintValidationFailed|EntityNotFound|ConstraintVerificationFailed/;
  return error instanceof Neo4jError && clash.test(error.code);
}

/** What an application has to do again; a deadlock in a trigger is to be told by its words. */
function isDeadlock(error: unknown): boolean {
  if (!(error instanceof Neo4jError)) return false;
  const isInTrigger = error.code.endsWith('TransactionHookFailed');
  return error.retryable || (isInTrigger && /can't acquire|deadlock/i.test(error.message));
}
