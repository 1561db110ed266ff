import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresAddress } from '../../stack/addresses.ts';
import { type Figure, markdownTable, whole } from '../measure.ts';
import { guardedUpsert, rawUpsertRows } from '../raw/postgres.ts';
import type { SinkBenchOptions } from './options.ts';
import { openPeer, PEER_SETTINGS } from './peer.ts';
import { agentChange, fillLog } from './postgres-content.ts';
import { type Followed, followed } from './postgres-followed.ts';
import { bareRun, type FollowingRun, forgetGroup, ourRun, prepare, type RunPlace } from './postgres-runs.ts';

/** In turn, so that what else the machine does falls on all of them. */
const ROUNDS = 3;

/** The sink beside the raw limit, a bare loop and the peer, Debezium's JDBC sink, on the same content in one run. */
export async function benchPostgresSink({ addresses, rows }: SinkBenchOptions): Promise<string> {
  const prefix = 'bench-postgres';
  const dir = await mkdtemp(join(tmpdir(), 'changeover-bench-'));
  try {
    await fillLog(addresses.kafka, prefix, rows, agentChange);
    const peer = await openPeer(addresses, { rows, topic: `${prefix}.peer`, dir });
    const limits: string[][] = [];
    const processes: string[][] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      for (const [what, work] of rawLimits(addresses.postgres, rows, round)) {
        const { items, seconds } = await work();
        limits.push([`${round}`, what, whole(items / seconds)]);
      }
      const place = { addresses, prefix, round, dir };
      const bare = await bareRun(place);
      const ours = await ourRun(place);
      processes.push(
        rowOf(round, 'kafkajs → decode → guarded upsert → commit', rows, await follow(bare, place, rows)),
      );
      processes.push(rowOf(round, '`changeover run`', rows, await follow(ours, place, rows)));
      // A group is named for its store; the next round begins at the beginning again.
      await forgetGroup(addresses.kafka, `${prefix}.${ours.group}`);
      for (const [index, settings] of PEER_SETTINGS.entries())
        processes.push(rowOf(round, settings.name, rows, await peer(settings, `peer_${round}_${index}`)));
    }
    return [
      `${whole(rows)} agents, guarded upsert by hand:`,
      markdownTable(['round', 'raw limit', 'rows/s'], limits),
      'The same from the log, each a process of its own:',
      markdownTable(
        [
          'round',
          'process',
          'rows/s',
          'second half, rows/s',
          'with start, rows/s',
          'CPU s per million',
          'peak MB',
          'first row after, s',
        ],
        processes,
      ),
    ].join('\n\n');
  } finally {
    await rm(dir, { recursive: true });
  }
}

function rowOf(round: number, what: string, rows: number, run: Followed): string[] {
  const { firstSeconds, halfSeconds, seconds, cpu, megabytes } = run;
  return [
    `${round}`,
    what,
    whole(rows / (seconds - firstSeconds)),
    whole(rows / 2 / (seconds - halfSeconds)),
    whole(rows / seconds),
    ((cpu / rows) * 1e6).toFixed(1),
    whole(megabytes),
    firstSeconds.toFixed(2),
  ];
}

/** On the plain table, and on ours: its check and its room for updates have their price, whoever writes. */
function rawLimits(
  address: PostgresAddress,
  rows: number,
  round: number,
): readonly (readonly [string, () => Promise<Omit<Figure, 'what'>>])[] {
  return [
    ['plain table, one connection', () => rawUpsertRows(address, rows)],
    ['plain table, two connections', () => rawUpsertRows(address, rows, 2)],
    ['our table, one connection', () => intoOurs(address, rows, `raw_one_${round}`, 1)],
    ['our table, two connections', () => intoOurs(address, rows, `raw_two_${round}`, 2)],
  ];
}

async function intoOurs(
  address: PostgresAddress,
  rows: number,
  schema: string,
  connections: number,
): Promise<Omit<Figure, 'what'>> {
  await prepare(address, schema);
  const table = `${schema}.agents_held`;
  const upsert = guardedUpsert(table).replace(
    '(id, type, active, attributes, version)\n    SELECT *',
    '(id, type, active, attributes, version, deleted)\n    SELECT *, false',
  );
  return rawUpsertRows(address, rows, connections, { table, upsert });
}

async function follow(run: FollowingRun, { addresses, prefix }: RunPlace, rows: number): Promise<Followed> {
  const { kafka, postgres } = addresses;
  return followed(run.start, { ...run, address: kafka, prefix, rows, url: postgres.url });
}
