import type { ChildProcess } from 'node:child_process';
import pg from 'pg';
import { lagOf } from '../../log/log.ts';
import type { KafkaAddress } from '../../stack/addresses.ts';
import { cpuSeconds, peakResidentMegabytes } from '../measure.ts';
import { withLog } from './postgres-content.ts';

/** What a process that fills a table from a log needed for all that is in it. */
export interface Followed {
  /** From the start of the process to the first row that others see. */
  readonly firstSeconds: number;
  /** To half of the table. */
  readonly halfSeconds: number;
  /** To the commit of the last record. */
  readonly seconds: number;
  readonly cpu: number;
  readonly megabytes: number;
}

interface Filling {
  readonly rows: number;
  readonly url: string;
  readonly table: string;
}

interface Following extends Filling {
  readonly address: KafkaAddress;
  readonly prefix: string;
  readonly group: string;
}

const LOOK_EVERY_MS = 20;
const END_WITHIN_MS = 10_000;
/** A worker whose task has failed runs on and does nothing. */
const STUCK_AFTER_S = 60;

/** Starts it, watches table and group until everything is committed, and ends it. */
export function followed(start: () => ChildProcess, following: Following): Promise<Followed> {
  return withLog(following.address, following.prefix, (log) =>
    watched(start, following, async () => {
      const positions = await log.positions(['agent'], following.group);
      return positions.every((position) => lagOf(position) === 0);
    }),
  );
}

/** Starts it, watches the table until `done`, counts, and ends it. */
export async function watched(
  start: () => ChildProcess,
  { url, table, rows }: Filling,
  done: (client: pg.Client) => Promise<boolean>,
): Promise<Followed> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const startedMs = performance.now();
    const since = (): number => (performance.now() - startedMs) / 1000;
    const child = start();
    const end = (): boolean => child.kill('SIGKILL');
    process.once('exit', end);
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    let said = '';
    child.stderr?.on('data', (text: Buffer) => {
      said = (said + text.toString()).slice(-4_000);
    });
    /** Sizes by time: the rows are alike and all of them new, so that half of the bytes are half of the rows. */
    const sizes: (readonly [seconds: number, bytes: number])[] = [];
    const until = async (seen: () => Promise<boolean>): Promise<number> => {
      while (!(await seen())) {
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${said}`);
        const bytes = await sizeOf(client, table);
        if (bytes !== sizes.at(-1)?.[1]) sizes.push([since(), bytes]);
        if (since() - (sizes.at(-1)?.[0] ?? 0) > STUCK_AFTER_S) throw new Error(`is stuck: ${said}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
      return since();
    };
    try {
      const firstSeconds = await until(async () => {
        const { rows: found } = await client.query(`SELECT FROM ${table} LIMIT 1`);
        return found.length > 0;
      });
      const seconds = await until(() => done(client));
      const [cpu, megabytes] = [cpuSeconds(child.pid), peakResidentMegabytes(child.pid)];
      const { rows: counted } = await client.query<{ count: string }>(`SELECT count(*) FROM ${table}`);
      if (Number(counted[0]?.count) !== rows)
        throw new Error(`${counted[0]?.count} rows of ${rows}: ${said}`);
      const size = await sizeOf(client, table);
      const halfSeconds = sizes.find(([, bytes]) => bytes >= size / 2)?.[0] ?? seconds;
      return { firstSeconds, halfSeconds, seconds, cpu, megabytes };
    } finally {
      child.kill('SIGTERM');
      const timer = setTimeout(end, END_WITHIN_MS);
      await exit;
      clearTimeout(timer);
      process.removeListener('exit', end);
    }
  } finally {
    await client.end();
  }
}

async function sizeOf(client: pg.Client, table: string): Promise<number> {
  const { rows } = await client.query<{ size: string }>(`SELECT pg_relation_size('${table}') AS size`);
  return Number(rows[0]?.size);
}
