import type { ChainableCommander, Redis } from 'ioredis';
import { isNegativeZero, toJson } from '../../core/json.ts';
import { groupBy } from '../../core/sequence.ts';
import type { Scalar } from '../../schemas/change.ts';
import type { LearningRow, LegacyAgent } from '../legacy-shapes.ts';
import type { OnRejected } from '../readers/parsed.ts';
import type { Society, SocietyCounts } from '../society.ts';
import { flatAgent, flatAgentFault } from './flat-agent.ts';
import { writeBehind } from './write-behind.ts';

/** Where the legacy application keeps what, with `{id}` or `{agentId}` for the agent's id. */
export interface LegacyKeyPatterns {
  readonly agent: string;
  readonly qValues: string;
  readonly policy: string;
  readonly experiences: string;
}

export const LEGACY_KEY_PATTERNS: LegacyKeyPatterns = {
  agent: 'agent:{id}',
  qValues: 'rl:q:{id}',
  policy: 'rl:policy:{id}',
  experiences: 'rl:exp:{id}',
};

export interface RedisLoadOptions {
  readonly keys?: LegacyKeyPatterns;
  readonly onRejected: OnRejected;
}

export type RedisCounts = Omit<SocietyCounts, 'relationships' | 'embeddings'>;

const AGENTS_PER_BATCH = 1_000;
const ROWS_PER_BATCH = 5_000;

/**
 * Writes a society's agents and what they learned as the legacy application would have. What Redis held of the same
 * agents is replaced, so loading twice is loading once. Holds the ids of the agents that learn, which are few.
 * Errors of the client come as they are.
 */
export async function loadRedis(
  society: Society,
  redis: Redis,
  { keys = LEGACY_KEY_PATTERNS, onRejected }: RedisLoadOptions,
): Promise<RedisCounts> {
  const counts = { agents: 0, experiences: 0, qValues: 0, policies: 0 };
  await writeBehind(society.agents(), AGENTS_PER_BATCH, async (agents) => {
    const pipeline = redis.pipeline();
    for (const agent of agents) {
      const reason = flatAgentFault(agent);
      if (reason === undefined) setAgent(pipeline, keyOf(keys.agent, agent.id), agent);
      else onRejected({ where: `agent ${JSON.stringify(agent.id)}, going to Redis`, reason });
      counts.agents += reason === undefined ? 1 : 0;
    }
    await execute(pipeline);
  });
  const cleared = new Set<string>();
  await writeBehind(society.learning(), ROWS_PER_BATCH, async (rows) => {
    const pipeline = redis.pipeline();
    for (const [agentId, ofAgent] of groupBy(rows, (row) => row.agentId)) {
      if (!cleared.has(agentId)) {
        cleared.add(agentId);
        pipeline.del(
          keyOf(keys.experiences, agentId),
          keyOf(keys.qValues, agentId),
          keyOf(keys.policy, agentId),
        );
      }
      addLearning(pipeline, keys, agentId, ofAgent);
    }
    await execute(pipeline);
    for (const { kind } of rows) counts[COUNTED_AS[kind]]++;
  });
  return counts;
}

const COUNTED_AS = { experience: 'experiences', 'q-value': 'qValues', policy: 'policies' } as const;

/** An id may hold anything, also what `String.replace` would take for an instruction. */
function keyOf(pattern: string, agentId: string): string {
  return pattern.split(/\{(?:id|agentId)\}/).join(agentId);
}

function setAgent(pipeline: ChainableCommander, key: string, agent: LegacyAgent): void {
  const fields = Object.entries(flatAgent(agent)).flatMap(([name, value]) => [name, plainText(value)]);
  pipeline.del(key).hset(key, ...fields);
}

function plainText(value: Scalar): string {
  return isNegativeZero(value) ? '-0' : String(value);
}

function addLearning(
  pipeline: ChainableCommander,
  keys: LegacyKeyPatterns,
  agentId: string,
  rows: readonly LearningRow[],
): void {
  const experiences: string[] = [];
  const qValues: string[] = [];
  for (const row of rows) {
    switch (row.kind) {
      case 'experience': {
        const { kind: _, ...experience } = row;
        experiences.push(toJson(experience));
        break;
      }
      case 'q-value':
        qValues.push(`${row.state}|${row.action}`, toJson({ value: row.value, visits: row.visits }));
        break;
      case 'policy': {
        const { kind: _, agentId: __, ...policy } = row;
        pipeline.set(keyOf(keys.policy, agentId), toJson(policy));
        break;
      }
      default:
        row satisfies never;
    }
  }
  if (experiences.length > 0) pipeline.rpush(keyOf(keys.experiences, agentId), ...experiences);
  if (qValues.length > 0) pipeline.hset(keyOf(keys.qValues, agentId), ...qValues);
}

async function execute(pipeline: ChainableCommander): Promise<void> {
  const answers = (await pipeline.exec()) ?? [];
  for (const [error] of answers) if (error !== null) throw error;
}
