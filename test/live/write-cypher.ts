import neo4j, { type Session, type Transaction } from 'neo4j-driver';
import { readConfig } from '../../cli/config.ts';
import type { EntityWrite } from '../../connectors/capture.ts';
import { neo4jOptions } from '../../connectors/neo4j/options.ts';
import type { EntityOf } from '../../schemas/change.ts';
import type { Answer, StoreWriter } from './store-writer.ts';
import type { WriterOptions } from './writer-options.ts';

/**
 * An application that runs plain Cypher and knows nothing of us: the database captures.
 *
 * It looks again once it has the node's lock. Neo4j itself acknowledges `MERGE (n {id: …}) SET n = …` and writes nothing
 * when another transaction deletes the node while this one waits for its lock (measured on 5.26, without any trigger); a
 * history has to say what has happened.
 */
export async function openCypherWriter({ configFile }: WriterOptions): Promise<StoreWriter> {
  const { url, user, password, database, labels } = neo4jOptions.parse(
    readConfig(configFile, {}).legacy.neo4j,
  );
  const driver = neo4j.driver(url, neo4j.auth.basic(user, password ?? ''));
  await driver.verifyConnectivity();
  const label = `\`${labels.memory}\``;
  return {
    way: 'cypher',
    async write(writes) {
      const session = driver.session({ database });
      try {
        // All of them in one transaction, in one order everywhere.
        const inOrder = [...writes.keys()].toSorted((left, right) =>
          (writes[left]?.key ?? '') < (writes[right]?.key ?? '') ? -1 : 1,
        );
        return await once(session, async (transaction) => {
          const answers: Answer[] = [];
          for (const at of inOrder) {
            const write = writes[at] as EntityWrite;
            const { key, entity } = write;
            const done =
              entity === null
                ? await deleted(transaction, label, key)
                : await put(transaction, label, entity as EntityOf['embedding']);
            answers[at] = done
              ? { status: 'written', version: null }
              : { status: 'rejected', reason: 'there was nothing to delete' };
          }
          return answers;
        });
      } finally {
        await session.close();
      }
    },
    close: () => driver.close(),
  };
}

/** Not as the driver's managed transactions, which do a write once more when the answer to its commit is lost: that would be two. */
async function once<T>(session: Session, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  const transaction = session.beginTransaction();
  try {
    const result = await work(transaction);
    await transaction.commit();
    return result;
  } finally {
    // Rolls back what is still open.
    await transaction.close();
  }
}

/** Everything that the node has is replaced, a version of ours too. */
async function put(transaction: Transaction, label: string, entity: EntityOf['embedding']): Promise<boolean> {
  const parameters = { id: entity.id, properties: propertiesOf(entity) };
  do {
    await transaction.run(`MERGE (m:${label} {id: $id}) SET m = $properties`, parameters);
  } while (!(await isThere(transaction, label, entity.id)));
  return true;
}

async function deleted(transaction: Transaction, label: string, id: string): Promise<boolean> {
  await transaction.run(`MATCH (m:${label} {id: $id}) SET m.leaving = true`, { id });
  if (!(await isThere(transaction, label, id))) return false;
  await transaction.run(`MATCH (m:${label} {id: $id}) DETACH DELETE m`, { id });
  return true;
}

/** With its lock held, so that it stays so. */
async function isThere(transaction: Transaction, label: string, id: string): Promise<boolean> {
  const { records } = await transaction.run(`MATCH (m:${label} {id: $id}) RETURN m.id AS id`, { id });
  return records.length > 0;
}

function propertiesOf({ id, agentId, vector, space, metadata }: EntityOf['embedding']): object {
  const bytes = Uint8Array.from(vector);
  const { text, token } = metadata;
  return {
    id,
    agentId,
    model: space.model,
    embedding: Array.from(new Float32Array(bytes.buffer)),
    text,
    token: neo4j.int(Number(token)),
  };
}
