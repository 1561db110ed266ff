import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchStack } from '../bench-stack.ts';
import { fillPeerTopic, peerTable } from './peer-content.ts';
import { installPeer } from './peer-install.ts';
import { type PeerSettings, preparePeer } from './peer-worker.ts';
import { type Followed, watched } from './postgres-followed.ts';
import { execute } from './postgres-runs.ts';

/** The best of what was tried first, then its second task. */
export const PEER_SETTINGS: readonly PeerSettings[] = [
  { name: 'Debezium JDBC sink, 1 task', tasks: 1, batchRows: 5_000, unnest: true, fetchMinBytes: 1_000_000 },
  { name: 'Debezium JDBC sink, 2 tasks', tasks: 2, batchRows: 5_000, unnest: true, fetchMinBytes: 1_000_000 },
];

/** Whatever is there, at once. */
export const PROMPT_PEER: PeerSettings = {
  name: 'Debezium JDBC sink, 1 task',
  tasks: 1,
  batchRows: 500,
  unnest: true,
  fetchMinBytes: 1,
};

/** Follows its topic from the beginning with one setting; `run` names its table, its group and its folder. */
export type Peer = (settings: PeerSettings, run: string) => Promise<Followed>;

/**
 * Kafka Connect standalone with Debezium's JDBC sink, upserting by the record's key. It has no guard by version. Fills its
 * topic with the same content as ours.
 */
export async function openPeer(
  { kafka, postgres }: Pick<BenchStack, 'kafka' | 'postgres'>,
  { rows, topic, dir }: { readonly rows: number; readonly topic: string; readonly dir: string },
): Promise<Peer> {
  const program = await installPeer();
  const lastIds = await fillPeerTopic(kafka, topic, rows);
  const { url } = postgres;
  return async (settings, table) => {
    const home = join(dir, table);
    await mkdir(home);
    await execute(url, peerTable(table));
    const start = await preparePeer({ program, kafka, postgres, topic, table, dir: home }, settings);
    return watched(start, { url, table, rows }, async (client) => {
      const { rows: found } = await client.query(`SELECT FROM ${table} WHERE id = ANY($1)`, [lastIds]);
      return found.length === lastIds.length;
    });
  };
}
