import neo4j, { Neo4jError } from 'neo4j-driver';
import pg from 'pg';
import { agentId, KEYS_PER_KIND } from '../live/key-space.ts';
import { testStack } from '../support/stack.ts';
import type { AskForProof, Fault, World } from './fault.ts';
import { shuffledSome } from './log-meddler.ts';
import { Proof } from './proof.ts';

const WITHIN_MS = 40_000;
/** Between one lock and the next. */
const HURRY_MS = 3;
const SOME = 200;

/** Against the order in which followers take their locks. */
const IDS = Array.from({ length: KEYS_PER_KIND }, (_, index) => agentId(index))
  .toSorted()
  .toReversed();

/** Somebody else's transactions that lock what a follower locks, in the other order; none of them changes anything. */
export const LOCK_FAULTS: readonly Fault[] = [
  {
    name: 'deadlocks in postgres',
    outOfReach: {},
    strike: async (world) => {
      const { url } = testStack().postgres;
      const rival = new pg.Client({ connectionString: url, application_name: 'rival' });
      await rival.connect();
      try {
        const deadlocks = async (): Promise<number> => {
          const { rows } = await rival.query<{ count: string }>(
            'SELECT deadlocks AS count FROM pg_stat_database WHERE datname = current_database()',
          );
          return Number(rows[0]?.count ?? 0);
        };
        const before = await deadlocks();
        return await quarrel(world, 'postgres', {
          once: () => lockRows(world, rival),
          hasMet: async () => (await deadlocks()) > before,
        });
      } finally {
        await rival.end();
      }
    },
  },
  {
    name: 'deadlocks in neo4j',
    outOfReach: {},
    strike: async (world) => {
      const { database } = testStack().neo4j;
      const { neo4j: driver, labels } = world.places.migration;
      let met = false;
      const once = async (): Promise<void> => {
        const session = driver.session({ database, defaultAccessMode: neo4j.session.WRITE });
        const transaction = session.beginTransaction();
        try {
          for (const id of IDS) {
            await transaction.run(`MATCH (n:\`${labels.agent}\` {id: $id}) SET n._rival = 1`, { id });
            await world.pause(HURRY_MS);
          }
        } catch (error) {
          if (!(error instanceof Neo4jError && error.code.endsWith('DeadlockDetected'))) throw error;
          met = true;
        } finally {
          await transaction.rollback().catch(() => {});
          await session.close();
        }
      };
      return quarrel(world, 'neo4j', { once, hasMet: async () => met });
    },
  },
];

interface Rival {
  /** One transaction. */
  once(): Promise<void>;
  /** Whether anybody has been found in a deadlock. */
  hasMet(): Promise<boolean>;
}

/** Until there was a deadlock, for without one nothing would have been tried. */
async function quarrel({ meddler }: World, store: string, { once, hasMet }: Rival): Promise<AskForProof> {
  const untilMs = performance.now() + WITHIN_MS;
  const quarrelling = (): boolean => performance.now() < untilMs;
  let met = false;
  const feed = async (): Promise<void> => {
    while (!met && quarrelling())
      await meddler.again('agent', (stored, random) => shuffledSome(stored, SOME, random));
  };
  const rival = async (): Promise<void> => {
    while (!met && quarrelling()) {
      await once();
      met = await hasMet();
    }
  };
  await Promise.all([feed(), rival()]);
  return () => Proof.counted(met ? 1 : 0, `deadlock in ${store}, within ${WITHIN_MS / 1_000} s`);
}

async function lockRows({ places, pause }: World, rival: pg.Client): Promise<void> {
  const table = `"${places.migration.name}"."agents_held"`;
  await rival.query('BEGIN');
  try {
    for (const id of IDS) {
      await rival.query(`SELECT 1 FROM ${table} WHERE id = $1 FOR UPDATE`, [id]);
      await pause(HURRY_MS);
    }
  } catch (error) {
    const DEADLOCK = '40P01';
    if (!(error instanceof pg.DatabaseError && error.code === DEADLOCK)) throw error;
  } finally {
    await rival.query('ROLLBACK');
  }
}
