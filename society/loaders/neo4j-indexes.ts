import neo4j, { type Session } from 'neo4j-driver';
import { ChangeoverError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { quoted } from './neo4j-values.ts';

/** Without a unique id MERGE would look through all nodes, and two at once would make two. */
export async function prepareIds(session: Session, labels: readonly string[]): Promise<void> {
  for (const label of labels) {
    await session.run(`CREATE CONSTRAINT IF NOT EXISTS FOR (n:${quoted(label)}) REQUIRE n.id IS UNIQUE`);
  }
}

/** A vector index on `embedding`; throws `mismatch` when there is one of another dimension. */
export async function prepareVectors(session: Session, label: string, dimension: number): Promise<void> {
  const held = await heldDimension(session, label);
  if (held === undefined) {
    await session.run(
      `CREATE VECTOR INDEX IF NOT EXISTS FOR (n:${quoted(label)}) ON (n.embedding)
       OPTIONS { indexConfig: { \`vector.dimensions\`: $dimension, \`vector.similarity_function\`: 'cosine' } }`,
      { dimension: neo4j.int(dimension) },
    );
  } else if (held !== dimension) {
    throw new ChangeoverError(
      'mismatch',
      `The vector index on ${label} in Neo4j is for ${held} dimensions, the society's vectors have ${dimension}.`,
      { hint: 'Drop the index and its memories, or name another label.' },
    );
  }
}

async function heldDimension(session: Session, label: string): Promise<number | undefined> {
  const { records } = await session.run(
    `SHOW VECTOR INDEXES YIELD labelsOrTypes, properties, options
     WHERE labelsOrTypes = [$label] AND properties = ['embedding'] RETURN options`,
    { label },
  );
  const options: unknown = records[0]?.get('options');
  const config = isRecord(options) ? options.indexConfig : undefined;
  return isRecord(config) ? Number(String(config['vector.dimensions'])) : undefined;
}
