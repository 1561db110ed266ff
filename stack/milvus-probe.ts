/** Can clients work with Milvus? `/healthz` says OK before collections can be queried, so this queries them. */
import type { ConsistencyLevelEnum, MilvusClient, ShowCollectionsType } from '@zilliz/milvus2-sdk-node';
import { ChangeoverError } from '../core/errors.ts';
import { ANSWER_MS, CLOSE_MS, within } from './probe.ts';

const CALL_MS = 5_000;
/** A strong read waits rather than works. */
const AT_ONCE = 16;

/** The name, which the wire format takes as well: the client's own 0 for it counts as "not given" in places. */
const STRONG = 'Strong' as unknown as ConsistencyLevelEnum;

/** Resolves when every collection that is loaded, in every database, answers a strong read. */
export async function probeMilvus(address: string): Promise<void> {
  // Loading this client takes most of a second, which commands that never ask Milvus should not have to wait.
  const { MilvusClient, ShowCollectionsType } = await import('@zilliz/milvus2-sdk-node');
  const client = new MilvusClient({
    address,
    timeout: CALL_MS,
    maxRetries: 0,
    telemetry: { enabled: false },
  });
  try {
    await within(ANSWER_MS, queryEverything(client, ShowCollectionsType.Loaded));
  } finally {
    await within(CLOSE_MS, client.closeConnection()).catch(() => undefined);
  }
}

async function queryEverything(client: MilvusClient, loadedOnly: ShowCollectionsType): Promise<void> {
  await within(CALL_MS, client.connectPromise);
  const databases = await client.listDatabases({ timeout: CALL_MS });
  succeeded('listDatabases', databases.status);
  for (const database of databases.db_names) {
    const names = await loadedCollections(client, database, loadedOnly);
    for (let next = 0; next < names.length; next += AT_ONCE) {
      const batch = names.slice(next, next + AT_ONCE);
      const failures = await Promise.all(batch.map((name) => failureOf(countRows(client, database, name))));
      const failed = batch.filter((_, index) => failures[index] !== undefined);
      if (failed.length === 0) continue;
      // Somebody may have dropped or released it since it was listed.
      const still = await loadedCollections(client, database, loadedOnly);
      if (failed.some((name) => still.includes(name)))
        throw failures.find((failure) => failure !== undefined);
    }
  }
}

/** Collections that are being loaded again after a restart are among them. */
async function loadedCollections(
  client: MilvusClient,
  db_name: string,
  type: ShowCollectionsType,
): Promise<readonly string[]> {
  const shown = await client.showCollections({ db_name, type, timeout: CALL_MS });
  succeeded('showCollections', shown.status);
  return shown.data.map(({ name }) => name);
}

async function countRows(client: MilvusClient, db_name: string, collection_name: string): Promise<void> {
  const counted = await client.query({
    db_name,
    collection_name,
    filter: '',
    output_fields: ['count(*)'],
    consistency_level: STRONG,
    timeout: CALL_MS,
  });
  succeeded(`query ${db_name}.${collection_name}`, counted.status);
}

async function failureOf(work: Promise<void>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error ?? 'unknown';
  }
}

/** The client resolves for most refusals, with the reason in a status. */
function succeeded(
  call: string,
  status: { readonly code?: number; readonly reason: string } | undefined,
): void {
  if (status?.code === 0) return;
  throw new ChangeoverError('unreachable', `milvus: ${call}: ${status?.reason ?? 'no answer'}`);
}
