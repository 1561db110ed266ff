import type { Change } from '../../schemas/change.ts';
import { withKafkaLog } from '../../test/support/kafka-log.ts';
import {
  type Leaving,
  rebalanceStorm,
  redeliveredShare,
  type StormReport,
} from '../../test/support/rebalance-storm.ts';
import { startRunMember } from '../../test/support/run-member.ts';
import { markdownTable, whole } from '../measure.ts';
import { agentChange } from '../sinks/postgres-content.ts';
import { GROUP, makePlace, PARTITIONS, type ScaleAddresses, withPostgres } from './place.ts';

export interface StormBenchOptions {
  readonly seconds: number;
  /** Changes a second. */
  readonly rate: number;
  readonly seed: number;
}

/** A consumer that is killed is missed for as long as a session lasts; the shortest that a broker takes is 6 s. */
const SESSION_TIMEOUT_MS = 6_000;
const EVERY_MS = 5_000;
const MAX_MEMBERS = 4;
const KEYS = 2_000;

/** Members that come and go while changes flow: those that leave are stopped, and in the second half killed. */
export async function benchStorm(
  addresses: ScaleAddresses,
  dir: string,
  options: StormBenchOptions,
): Promise<string> {
  const cells: string[][] = [];
  for (const leaving of ['stopped', 'killed'] as const) {
    const report = await storm(addresses, dir, options, leaving);
    const { published, consumed, joins, leaves, lost, drainSeconds } = report;
    cells.push([
      leaving === 'stopped' ? 'SIGTERM' : 'kill -9',
      `${joins} / ${leaves}`,
      whole(published),
      whole(consumed),
      `${(100 * redeliveredShare(report)).toFixed(3)} %`,
      `${lost.length}`,
      drainSeconds.toFixed(1),
    ]);
  }
  const header = [
    'leaving by',
    'came / left',
    'records',
    'applied by all',
    'again',
    'keys lost',
    'drained in, s',
  ];
  const { seconds, rate, seed } = options;
  return [
    `A member comes or goes every ${EVERY_MS / 1_000} s for ${seconds} s, 2 to ${MAX_MEMBERS} of them, ${rate} changes a second to ${whole(KEYS)} keys in ${PARTITIONS} partitions, seed ${seed}:`,
    markdownTable(header, cells),
    'What a killed member did in the moment between its last word and its end is not counted.',
  ].join('\n\n');
}

async function storm(
  addresses: ScaleAddresses,
  dir: string,
  { seconds, rate, seed }: StormBenchOptions,
  leaving: Leaving,
): Promise<StormReport> {
  const { prefix, schema, configFile } = await makePlace(
    addresses,
    dir,
    `storm_${leaving}`,
    SESSION_TIMEOUT_MS,
  );
  const { brokers } = addresses.kafka;
  return withKafkaLog(prefix, { brokers, partitions: PARTITIONS }, async (log) => {
    await log.prepare();
    return rebalanceStorm({
      seed,
      seconds,
      everyMs: EVERY_MS,
      leaving,
      maxMembers: MAX_MEMBERS,
      changesPerSecond: rate,
      keys: KEYS,
      log,
      group: GROUP,
      changeAt: versionOf,
      start: () => startRunMember(configFile),
      held: () =>
        withPostgres(addresses.postgres, async (client) => {
          const { rows } = await client.query<{ id: string; version: string }>(
            `SELECT id, version FROM ${schema}.agents_held`,
          );
          return new Map(rows.map(({ id, version }) => [id, Number(version)]));
        }),
      say: (text) => console.error(`  ${leaving} ${text}`),
    });
  });
}

function versionOf(key: number, version: number): Change {
  return { ...agentChange(key), version, capturedAt: version, eventId: `${version}` };
}
