import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import type { RejectedItem } from '../../connectors/connector.ts';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import type { ExperienceRow, LearningRow, QValueRow } from '../../society/legacy-shapes.ts';
import { type LegacyKeyPatterns, loadRedis } from '../../society/loaders/load-redis.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';
import { agentOf, failOnRejected, HARD_NUMBERS, HARD_TEXTS, societyOf } from './in-memory-society.ts';

const redis = new Redis(testStack().redis.url);
const prefix = uniqueName('society');
after(async () => {
  for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
    if (keys.length > 0) await redis.del(...keys);
  }
  redis.disconnect();
});

function keysOf(test: string): LegacyKeyPatterns {
  const start = `${prefix}:${test}`;
  return {
    agent: `${start}:agent:{id}`,
    qValues: `${start}:q:{agentId}`,
    policy: `${start}:policy:{id}`,
    experiences: `${start}:exp:{agentId}`,
  };
}

const experience = (agentId: string, step: number, reward: number): ExperienceRow => ({
  kind: 'experience',
  id: `${agentId}:${step}`,
  agentId,
  state: '0',
  action: 1,
  reward,
  nextState: '1',
  done: false,
  episode: 0,
  step,
  at: 1_760_000_000_000 + step,
});

test('a generated society stands in Redis as it was made, however often it is loaded', async () => {
  const keys = keysOf('generated');
  const society = openGeneratedSociety({ agents: 120, seed: 9, dimension: 8, learners: 0.05 });
  const first = await loadRedis(society, redis, { keys, onRejected: failOnRejected });
  const again = await loadRedis(society, redis, { keys, onRejected: failOnRejected });
  assert.deepEqual(again, first);
  const rows = await Array.fromAsync(society.learning());
  assert.deepEqual([first.agents, first.policies, first.experiences], [120, 6, 6 * 200]);
  for (const agent of await Array.fromAsync(society.agents())) {
    const hash = await redis.hgetall(keys.agent.replace('{id}', agent.id));
    const texts = Object.entries(agent.attributes).map(([name, value]) => [name, String(value)]);
    const expected = {
      id: agent.id,
      type: agent.type,
      active: String(agent.active),
      ...Object.fromEntries(texts),
    };
    assert.deepEqual(hash, expected);
  }
  for (const policy of rows.filter((row) => row.kind === 'policy')) {
    const ofAgent = rows.filter((row) => row.agentId === policy.agentId);
    assert.deepEqual(inOrder(await heldBy(keys, policy.agentId)), inOrder(ofAgent));
  }
});

test('numbers and texts that break stores arrive unharmed', async () => {
  const keys = keysOf('hard');
  const learning: LearningRow[] = HARD_TEXTS.flatMap((agentId) => [
    ...HARD_NUMBERS.map((reward, step) => experience(agentId, step, reward)),
    ...HARD_NUMBERS.map(
      (value, action): QValueRow => ({
        kind: 'q-value',
        agentId,
        state: `s|${agentId}`,
        action,
        value,
        visits: 1,
      }),
    ),
    {
      kind: 'policy',
      agentId,
      algorithm: agentId,
      environment: null,
      parameters: Object.fromEntries(HARD_NUMBERS.map((number, place) => [`n${place}`, number])),
      actions: { [agentId]: 1 },
    },
  ]);
  const agents = HARD_TEXTS.map((text) =>
    agentOf(text, { attributes: { [text]: text, zero: -0, gone: null } }),
  );
  const rejected: RejectedItem[] = [];
  const society = societyOf({ agents: agents, learning });
  await loadRedis(society, redis, { keys, onRejected: (item) => rejected.push(item) });
  for (const text of HARD_TEXTS) {
    const hash = await redis.hgetall(keys.agent.split('{id}').join(text));
    assert.deepEqual(hash, { id: text, type: 'resident', active: 'true', [text]: text, zero: '-0' });
    const ofAgent = learning.filter((row) => row.agentId === text);
    assert.deepEqual(inOrder(await heldBy(keys, text)), inOrder(ofAgent));
  }
  assert.deepEqual(rejected, []);
});

test('experiences that come in many batches stand in one list, in their order', async () => {
  const keys = keysOf('batches');
  const learning = Array.from({ length: 12_000 }, (_, step) =>
    experience(step % 2 === 0 ? 'even' : 'odd', step, step),
  );
  for (let round = 0; round < 2; round++) {
    const counts = await loadRedis(societyOf({ learning }), redis, { keys, onRejected: failOnRejected });
    assert.equal(counts.experiences, 12_000);
  }
  const held = (await heldBy(keys, 'odd')).map((row) => (row.kind === 'experience' ? row.step : -1));
  // Compared as text: showing how two long lists differ takes minutes.
  assert.equal(held.join(), Array.from({ length: 6_000 }, (_, place) => 2 * place + 1).join());
});

test('an agent whose attribute would hide a field of its own is rejected by name', async () => {
  const keys = keysOf('hidden');
  const rejected: RejectedItem[] = [];
  const agents = [
    agentOf('sound'),
    agentOf('hiding', { attributes: { type: 'x' } }),
    agentOf('', { attributes: { '': 1 } }),
  ];
  const counts = await loadRedis(societyOf({ agents }), redis, {
    keys,
    onRejected: (item) => rejected.push(item),
  });
  assert.equal(counts.agents, 1);
  assert.match(rejected[0]?.where ?? '', /"hiding"/);
  assert.match(rejected[0]?.reason ?? '', /attribute is named type/);
  assert.equal(rejected.length, 2);
});

test('an error of the server stops the load', async () => {
  const keys = keysOf('wrong');
  const clashing = { ...keys, policy: keys.experiences };
  const policy = {
    kind: 'policy',
    agentId: 'a',
    algorithm: '',
    environment: null,
    parameters: {},
    actions: {},
  } as const;
  const learning = [policy, experience('a', 0, 1)];
  await assert.rejects(
    loadRedis(societyOf({ learning }), redis, { keys: clashing, onRejected: failOnRejected }),
    /WRONGTYPE/,
  );
});

/** Rows kind by kind. A hash has no order, so Q-values get one; experiences keep theirs. */
function inOrder(rows: readonly LearningRow[]): readonly LearningRow[] {
  const placeOf = (row: LearningRow): string =>
    row.kind === 'q-value' ? `${row.kind} ${row.state} ${row.action}` : row.kind;
  return rows.toSorted((left, right) =>
    placeOf(left) < placeOf(right) ? -1 : placeOf(left) > placeOf(right) ? 1 : 0,
  );
}

/** What Redis holds of what one agent learned, as rows: experiences, then Q-values, then the policy. */
async function heldBy(keys: LegacyKeyPatterns, agentId: string): Promise<readonly LearningRow[]> {
  const keyOf = (pattern: string): string => pattern.split(/\{(?:id|agentId)\}/).join(agentId);
  const experiences = await redis.lrange(keyOf(keys.experiences), 0, -1);
  const qValues = await redis.hgetall(keyOf(keys.qValues));
  const policy = await redis.get(keyOf(keys.policy));
  return [
    ...experiences.map((text) => ({ kind: 'experience', ...JSON.parse(text) })),
    ...Object.entries(qValues).map(([field, text]) => {
      const bar = field.lastIndexOf('|');
      const identity = { agentId, state: field.slice(0, bar), action: Number(field.slice(bar + 1)) };
      return { kind: 'q-value', ...identity, ...JSON.parse(text) };
    }),
    ...(policy === null ? [] : [{ kind: 'policy', agentId, ...JSON.parse(policy) }]),
  ];
}
