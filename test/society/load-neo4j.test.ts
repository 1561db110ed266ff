import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import neo4j from 'neo4j-driver';
import type { RejectedItem } from '../../connectors/connector.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { type MemoryRow, tiesOf } from '../../society/legacy-shapes.ts';
import { type LegacyLabels, loadNeo4j } from '../../society/loaders/load-neo4j.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';
import { agentOf, failOnRejected, HARD_NUMBERS, HARD_TEXTS, societyOf } from './in-memory-society.ts';

const { url, user, password, database } = testStack().neo4j;
const driver = neo4j.driver(url, neo4j.auth.basic(user, password), { disableLosslessIntegers: false });
const madeLabels: string[] = [];
after(async () => {
  for (const label of madeLabels) await forget(label);
  await driver.close();
});

function makeLabels(): LegacyLabels {
  const labels = { agent: uniqueName('SocietyAgent'), memory: uniqueName('SocietyMemory') };
  madeLabels.push(labels.agent, labels.memory);
  return labels;
}

async function query(
  text: string,
  parameters: Record<string, unknown> = {},
): Promise<readonly Record<string, unknown>[]> {
  const { records } = await driver.executeQuery(text, parameters, { database });
  return records.map((record) => record.toObject());
}

async function forget(label: string): Promise<void> {
  await query(`MATCH (n:${label}) DETACH DELETE n`);
  for (const { name } of await query(
    'SHOW CONSTRAINTS YIELD name, labelsOrTypes AS l WHERE l = [$label] RETURN name',
    { label },
  )) {
    await query(`DROP CONSTRAINT ${name} IF EXISTS`);
  }
  for (const { name } of await query(
    'SHOW INDEXES YIELD name, labelsOrTypes AS l WHERE l = [$label] RETURN name',
    { label },
  )) {
    await query(`DROP INDEX ${name} IF EXISTS`);
  }
}

const memoryOf = (id: string, ...components: number[]): MemoryRow => ({
  id,
  agentId: 'a',
  text: id,
  model: 'm',
  vector: new Float32Array(components),
});

test('a generated society stands in Neo4j as it was made, however often it is loaded', async () => {
  const labels = makeLabels();
  const society = openGeneratedSociety({ agents: 150, seed: 4, dimension: 32 });
  const first = await loadNeo4j(society, driver, { database, labels, onRejected: failOnRejected });
  const again = await loadNeo4j(society, driver, { database, labels, onRejected: failOnRejected });
  assert.deepEqual(again, first);
  const agents = await Array.fromAsync(society.agents());
  const nodes = await query(`MATCH (a:${labels.agent}) RETURN properties(a) AS held`);
  const flat = agents.map(({ id, type, active, attributes }) => ({ id, type, active, ...attributes }));
  assert.deepEqual(byText(nodes.map(({ held }) => plain(held))), byText(flat));
  const ties = await query(
    `MATCH (s:${labels.agent})-[r]->(t) RETURN s.id AS source, t.id AS target, type(r) AS type, r.strength AS strength`,
  );
  assert.deepEqual(byText(ties.map(plain)), byText(agents.flatMap((agent) => [...tiesOf(agent)])));
  const memories = await query(`MATCH (m:${labels.memory}) RETURN properties(m) AS held`);
  const rows = (await Array.fromAsync(society.memories())).map(({ vector, ...memory }) => {
    return { ...memory, embedding: [...vector] };
  });
  assert.deepEqual(byText(memories.map(({ held }) => plain(held))), byText(rows));
  assert.deepEqual(first, { agents: agents.length, relationships: ties.length, embeddings: rows.length });
});

test('the vector index finds a memory by its own vector', async () => {
  const labels = makeLabels();
  const society = openGeneratedSociety({ agents: 40, seed: 4, dimension: 32 });
  await loadNeo4j(society, driver, { database, labels, onRejected: failOnRejected });
  const [index] = await query(
    'SHOW VECTOR INDEXES YIELD name, labelsOrTypes AS l, state WHERE l = [$l] RETURN name, state',
    {
      l: labels.memory,
    },
  );
  assert.equal(index?.state, 'ONLINE');
  for (const { id, vector } of (await Array.fromAsync(society.memories())).slice(0, 5)) {
    // The index holds rounded vectors, so that one which is nearly the same may come before it.
    const nearest = async () => {
      const found = await query(
        'CALL db.index.vector.queryNodes($name, 3, $vector) YIELD node RETURN node.id AS id',
        { name: index?.name, vector: [...vector] },
      );
      return found.map((row) => row.id);
    };
    // What was written is in the vector index a moment later, which is long where many indexes are being filled.
    for (let looks = 0; looks < 300 && !(await nearest()).includes(id); looks++) await sleep(100);
    assert.ok((await nearest()).includes(id), `${id} is not near its own vector`);
  }
});

test('numbers and texts that break stores arrive unharmed', async () => {
  const labels = makeLabels();
  const numbers = Object.fromEntries(HARD_NUMBERS.map((number, place) => [`n${place}`, number]));
  const agents = HARD_TEXTS.map((text, place) => {
    const friend = HARD_TEXTS[(place + 1) % HARD_TEXTS.length] ?? '';
    const memory = { friends: [friend], relationships: { [friend]: -0 }, relation_types: {} };
    return agentOf(text, { attributes: { ...numbers, [text]: text, gone: null }, memory });
  });
  const components = [-0, 1.401298464324817e-45, Math.fround(0.1), -3.4028234663852886e38];
  const memories = HARD_TEXTS.map((text) => memoryOf(text, ...components));
  await loadNeo4j(societyOf({ agents, memories }), driver, { database, labels, onRejected: failOnRejected });
  const held = await query(`MATCH (a:${labels.agent}) RETURN properties(a) AS held`);
  const expected = HARD_TEXTS.map((text) => ({
    id: text,
    type: 'resident',
    active: true,
    ...numbers,
    [text]: text,
  }));
  assert.deepEqual(byText(held.map((row) => plain(row.held))), byText(expected));
  const ties = await query(
    `MATCH (:${labels.agent})-[r:KNOWS]->(:${labels.agent}) RETURN r.strength AS strength`,
  );
  assert.deepEqual(
    ties.map(plain),
    HARD_TEXTS.map(() => ({ strength: -0 })),
  );
  const vectors = await query(`MATCH (m:${labels.memory}) RETURN m.embedding AS embedding`);
  assert.deepEqual(
    vectors,
    HARD_TEXTS.map(() => ({ embedding: components })),
  );
});

test('whole numbers are integers to whoever asks the graph, −0 and the others floats', async () => {
  const labels = makeLabels();
  const agents = [agentOf('a', { attributes: { whole: 42, zero: -0, part: 0.5 } })];
  await loadNeo4j(societyOf({ agents }), driver, { database, labels, onRejected: failOnRejected });
  const found = await query(
    `MATCH (a:${labels.agent}) RETURN [x IN [a.whole, a.zero, a.part] | valueType(x)] AS types`,
  );
  assert.deepEqual(found, [{ types: ['INTEGER NOT NULL', 'FLOAT NOT NULL', 'FLOAT NOT NULL'] }]);
});

test('a friend that does not exist is named, and the other friendships are made', async () => {
  const labels = makeLabels();
  const memory = { friends: ['b', 'nobody', 'hiding'], relationships: {}, relation_types: {} };
  const agents = [agentOf('a', { memory }), agentOf('b'), agentOf('hiding', { attributes: { id: 'x' } })];
  const rejected: RejectedItem[] = [];
  const counts = await loadNeo4j(societyOf({ agents }), driver, {
    database,
    labels,
    onRejected: (item) => rejected.push(item),
  });
  assert.deepEqual(counts, { agents: 2, relationships: 1, embeddings: 0 });
  assert.deepEqual(
    rejected.map(({ where, reason }) => `${where}: ${reason}`),
    [
      'agent "hiding", going to Neo4j: an attribute is named id, which is a field of the agent itself here',
      'friend "nobody" of agent "a", going to Neo4j: there is no agent "nobody"',
      'friend "hiding" of agent "a", going to Neo4j: there is no agent "hiding"',
    ],
  );
});

test('vectors of another dimension than the index are refused', async () => {
  const labels = makeLabels();
  const load = (memory: MemoryRow) =>
    loadNeo4j(societyOf({ memories: [memory] }), driver, { database, labels, onRejected: failOnRejected });
  await load(memoryOf('three', 1, 0, 0));
  await assert.rejects(load(memoryOf('two', 1, 0)), (error) => {
    return (
      error instanceof ChangeoverError && error.code === 'mismatch' && /3 dimensions/.test(error.message)
    );
  });
});

/** Integers of the driver as numbers, and everything else as it is. */
function plain(held: unknown): Record<string, unknown> {
  const entries = Object.entries(held as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, neo4j.isInt(value) ? value.toNumber() : value]),
  );
}

/** Rows in an order that follows from their id or ends, with their fields in one order too. */
function byText<T extends object>(rows: readonly T[]): readonly unknown[] {
  const sorted = rows.map((row) =>
    Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
  const keyOf = (row: Record<string, unknown>): string =>
    JSON.stringify([row.id, row.source, row.target, row.type]);
  return sorted.sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}
