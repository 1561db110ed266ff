import { compareCodePoints } from '../../core/text.ts';
import type { ScanKey } from '../../schemas/keys.ts';
import { rangesBetween, type ScanRange } from '../../schemas/scan-order.ts';
import type { Neo4jClient } from './client.ts';
import { type NodeNames, quoted } from './names.ts';

/** How many there are, for progress and plans. */

export async function countNodes(client: Neo4jClient, { label, stub }: NodeNames): Promise<number> {
  // The first answer is a number that Neo4j keeps; of stubs there are few.
  const [all] = await client.query(`MATCH (n:${quoted(label)}) RETURN count(n) AS count`);
  const [stubs] = await client.query(
    `MATCH (n:${quoted(stub)}) WHERE size(keys(n)) = 1 RETURN count(n) AS count`,
  );
  return Number(all?.get('count')) - Number(stubs?.get('count'));
}

/** From here on the number that Neo4j keeps is taken, though it includes relationships to nodes that are no agents. */
const COUNTED = 2_000_000;

export async function countTies(client: Neo4jClient, { label }: NodeNames): Promise<number> {
  const name = quoted(label);
  const [kept] = await client.query(`MATCH (:${name})-[r]->() RETURN count(r) AS count`);
  const atMost = Number(kept?.get('count'));
  if (atMost > COUNTED) return atMost;
  const [exact] = await client.query(`MATCH (:${name})-[r]->(:${name}) RETURN count(r) AS count`);
  return Number(exact?.get('count'));
}

/** How many ids are looked at for each range. */
const SAMPLES_PER_RANGE = 200;

interface Sampled {
  readonly id: string;
  readonly weight: number;
}

/**
 * Parts the ids at the quantiles of a random sample of nodes; for relationships each node weighs as much as
 * relationships start from it.
 */
export async function planRanges(
  client: Neo4jClient,
  { label }: NodeNames,
  parts: number,
  weighed: 'by node' | 'by relationships',
): Promise<readonly ScanRange[]> {
  const [all] = await client.query(`MATCH (n:${quoted(label)}) RETURN count(n) AS count`);
  const share = Math.min(1, (parts * SAMPLES_PER_RANGE) / Math.max(1, Number(all?.get('count'))));
  const weight = weighed === 'by node' ? '1' : 'COUNT { (n)-->() }';
  const rows = await client.query(
    `MATCH (n:${quoted(label)}) WHERE ($share = 1.0 OR rand() < $share) AND n.id > ''
     RETURN n.id AS id, ${weight} AS weight`,
    { share },
  );
  const sample = rows
    .map((row): Sampled => ({ id: row.get('id'), weight: Number(row.get('weight')) }))
    .sort((left, right) => compareCodePoints(left.id, right.id));
  return rangesBetween(quantiles(sample, parts));
}

function quantiles(sample: readonly Sampled[], parts: number): readonly ScanKey[] {
  const total = sample.reduce((sum, { weight }) => sum + weight, 0);
  const boundaries: string[] = [];
  let passed = 0;
  for (const { id, weight } of sample) {
    passed += weight;
    const due = (total * (boundaries.length + 1)) / parts;
    if (passed >= due && boundaries.length < parts - 1 && id !== boundaries.at(-1)) boundaries.push(id);
  }
  return boundaries.map((id) => [id]);
}
