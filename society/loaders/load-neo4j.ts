import type { Driver, Session } from 'neo4j-driver';
import { groupBy } from '../../core/sequence.ts';
import { type LegacyAgent, type MemoryRow, type Tie, tiesOf } from '../legacy-shapes.ts';
import type { OnRejected } from '../readers/parsed.ts';
import type { Society, SocietyCounts } from '../society.ts';
import { flatAgent, flatAgentFault } from './flat-agent.ts';
import { prepareIds, prepareVectors } from './neo4j-indexes.ts';
import { quoted, toNeo4jProperties, toNeo4jValue } from './neo4j-values.ts';
import { writeBehind } from './write-behind.ts';

export interface LegacyLabels {
  readonly agent: string;
  readonly memory: string;
}

export const LEGACY_LABELS: LegacyLabels = { agent: 'Agent', memory: 'Memory' };

export interface Neo4jLoadOptions {
  readonly database: string;
  readonly labels?: LegacyLabels;
  readonly onRejected: OnRejected;
}

export type Neo4jCounts = Pick<SocietyCounts, 'agents' | 'relationships' | 'embeddings'>;

const AGENTS_PER_BATCH = 2_000;
const TIES_PER_BATCH = 5_000;
const MEMORIES_PER_BATCH = 1_000;

/**
 * Writes a society's agents, relationships and memories as the legacy application would have, with a unique id for
 * both labels and a vector index on the memories. Everything is merged by its id, so loading twice is loading once; what
 * the database holds beside the society stays. Throws `mismatch` when there is a vector index of another dimension.
 * Errors of the driver come as they are.
 */
export async function loadNeo4j(
  society: Society,
  driver: Driver,
  { database, labels = LEGACY_LABELS, onRejected }: Neo4jLoadOptions,
): Promise<Neo4jCounts> {
  const session = driver.session({ database });
  const counts = { agents: 0, relationships: 0, embeddings: 0 };
  try {
    await prepareIds(session, [labels.agent, labels.memory]);
    await writeBehind(society.agents(), AGENTS_PER_BATCH, async (agents) => {
      counts.agents += await mergeAgents(session, labels.agent, agents, onRejected);
    });
    await writeBehind(allTies(society.agents()), TIES_PER_BATCH, async (ties) => {
      counts.relationships += await mergeTies(session, labels.agent, ties, onRejected);
    });
    await writeBehind(society.memories(), MEMORIES_PER_BATCH, async (memories) => {
      if (counts.embeddings === 0)
        await prepareVectors(session, labels.memory, memories[0]?.vector.length ?? 0);
      counts.embeddings += await mergeMemories(session, labels.memory, memories);
    });
    await session.run('CALL db.awaitIndexes(600)');
    return counts;
  } finally {
    await session.close();
  }
}

async function* allTies(agents: AsyncIterable<LegacyAgent>): AsyncGenerator<Tie> {
  for await (const agent of agents) yield* tiesOf(agent);
}

async function mergeAgents(
  session: Session,
  label: string,
  agents: readonly LegacyAgent[],
  onRejected: OnRejected,
): Promise<number> {
  const rows: unknown[] = [];
  for (const agent of agents) {
    const reason = flatAgentFault(agent);
    if (reason === undefined) rows.push({ id: agent.id, properties: toNeo4jProperties(flatAgent(agent)) });
    else onRejected({ where: `agent ${JSON.stringify(agent.id)}, going to Neo4j`, reason });
  }
  const merge = `MERGE (a:${quoted(label)} {id: row.id}) SET a += row.properties`;
  return writeRows(session, `UNWIND $rows AS row ${merge} RETURN count(a) AS written`, rows);
}

/** One query text for each type: types cannot be parameters. */
async function mergeTies(
  session: Session,
  label: string,
  ties: readonly Tie[],
  onRejected: OnRejected,
): Promise<number> {
  let written = 0;
  for (const [type, ofType] of groupBy(ties, (tie) => tie.type)) {
    const rows = ofType.map((tie) => ({ ...tie, strength: toNeo4jValue(tie.strength) }));
    const writtenOfType = await writeRows(
      session,
      `UNWIND $rows AS row
       MATCH (s:${quoted(label)} {id: row.source}) MATCH (t:${quoted(label)} {id: row.target})
       MERGE (s)-[r:${quoted(type)}]->(t) SET r.strength = row.strength
       RETURN count(r) AS written`,
      rows,
    );
    if (writtenOfType < ofType.length) await rejectLooseTies(session, label, ofType, onRejected);
    written += writtenOfType;
  }
  return written;
}

async function rejectLooseTies(
  session: Session,
  label: string,
  ties: readonly Tie[],
  onRejected: OnRejected,
): Promise<void> {
  const { records } = await session.run(
    `UNWIND $ids AS id WITH id WHERE NOT EXISTS { MATCH (:${quoted(label)} {id: id}) } RETURN id`,
    { ids: [...new Set(ties.flatMap((tie) => [tie.source, tie.target]))] },
  );
  const missing = new Set(records.map((record) => String(record.get('id'))));
  for (const { source, target } of ties) {
    const end = [source, target].find((id) => missing.has(id));
    if (end === undefined) continue;
    const where = `friend ${JSON.stringify(target)} of agent ${JSON.stringify(source)}, going to Neo4j`;
    onRejected({ where, reason: `there is no agent ${JSON.stringify(end)}` });
  }
}

async function mergeMemories(
  session: Session,
  label: string,
  memories: readonly MemoryRow[],
): Promise<number> {
  const rows = memories.map(({ id, agentId, text, model, vector }) => {
    // Every float32 is a float64; the driver sends plain numbers as those.
    return { id, properties: { agentId, text, model, embedding: Array.from(vector) } };
  });
  const merge = `MERGE (m:${quoted(label)} {id: row.id}) SET m += row.properties`;
  return writeRows(session, `UNWIND $rows AS row ${merge} RETURN count(m) AS written`, rows);
}

/** Runs a query over rows in one transaction, again when the server says that may help, and answers its `written`. */
async function writeRows(session: Session, query: string, rows: readonly unknown[]): Promise<number> {
  const { records } = await session.executeWrite((tx) => tx.run(query, { rows }));
  return Number(String(records[0]?.get('written') ?? 0));
}
