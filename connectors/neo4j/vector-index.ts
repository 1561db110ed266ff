import { int } from 'neo4j-driver';
import type { Metric } from '../../schemas/change.ts';
import type { Neo4jClient } from './client.ts';
import { quoted } from './names.ts';
import type { Neo4jOptions } from './options.ts';
import { runSchemaCommand } from './schema-command.ts';

const SAMPLE = 1_000;
/** The most that a vector index of Neo4j takes. */
const MOST_DIMENSIONS = 4_096;

/**
 * How many components a vector of this label has: what the vector index says, else what most of a sample of the nodes
 * have. Null when there is neither.
 */
export async function vectorDimension(client: Neo4jClient, label: string): Promise<number | null> {
  return (await indexedDimension(client, label)) ?? (await sampledDimension(client, label));
}

export async function indexedDimension(client: Neo4jClient, label: string): Promise<number | null> {
  const [row] = await client.runAlone(
    `SHOW VECTOR INDEXES YIELD labelsOrTypes, properties, options
     WHERE labelsOrTypes = [$label] AND properties = ['embedding']
     RETURN options.indexConfig['vector.dimensions'] AS dimension`,
    { label },
  );
  const dimension = row === undefined ? Number.NaN : Number(row.get('dimension'));
  return Number.isSafeInteger(dimension) && dimension > 0 ? dimension : null;
}

async function sampledDimension(client: Neo4jClient, label: string): Promise<number | null> {
  const [row] = await client.query(
    `MATCH (m:${quoted(label)}) WHERE m.embedding IS :: LIST<ANY> NOT NULL
     WITH m LIMIT $sample
     RETURN size(m.embedding) AS dimension, count(*) AS times ORDER BY times DESC, dimension LIMIT 1`,
    { sample: int(SAMPLE) },
  );
  return row === undefined ? null : Number(row.get('dimension'));
}

/** The model that most of a sample of the nodes name; null when none does. */
export async function sampledModel(client: Neo4jClient, label: string): Promise<string | null> {
  const [row] = await client.query(
    `MATCH (m:${quoted(label)}) WHERE m.model IS :: STRING NOT NULL
     WITH m LIMIT $sample
     RETURN m.model AS model, count(*) AS times ORDER BY times DESC, model LIMIT 1`,
    { sample: int(SAMPLE) },
  );
  return row?.get('model') ?? null;
}

/** Neo4j has no inner product, but for vectors of unit length the cosine is the same. */
function similarityOf(metric: Metric, normalised: boolean): string | undefined {
  if (metric === 'l2') return 'euclidean';
  return metric === 'cosine' || normalised ? 'cosine' : undefined;
}

/** Makes the vector index, where Neo4j can have one for this space. */
export async function makeVectorIndex(
  client: Neo4jClient,
  label: string,
  dimension: number,
  { metric, normalised }: Neo4jOptions['space'],
): Promise<void> {
  const similarity = similarityOf(metric, normalised);
  if (similarity === undefined || dimension > MOST_DIMENSIONS) return;
  const name = quoted(`changeover_${label}_embedding`);
  await runSchemaCommand(
    client,
    `CREATE VECTOR INDEX ${name} IF NOT EXISTS FOR (m:${quoted(label)}) ON m.embedding
     OPTIONS { indexConfig: { \`vector.dimensions\`: $dimension, \`vector.similarity_function\`: $similarity } }`,
    { dimension: int(dimension), similarity },
  );
}
