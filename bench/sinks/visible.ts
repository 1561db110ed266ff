import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import type { BenchStack } from '../bench-stack.ts';
import { markdownTable } from '../measure.ts';
import { quantile } from '../shim/latencies.ts';
import type { SinkBenchOptions } from './options.ts';
import { PROMPT_PEER } from './peer.ts';
import { fillPeerTopic, peerMessage, peerTable } from './peer-content.ts';
import { installPeer } from './peer-install.ts';
import { preparePeer } from './peer-worker.ts';
import { agentChange, withLog } from './postgres-content.ts';
import { bareRun, execute, ourRun, type RunPlace } from './postgres-runs.ts';

const PER_SECOND = 200;
/** The first of these are told apart: a peer compiles while it runs. */
const EARLY_S = 20;
const SECONDS = 50;
const CHANNEL = 'bench_visible';
const STARTED_WITHIN_S = 60;
const ROUNDS = 2;

/** Publishes the agent with this number, and resolves when it is durable. */
type Publish = (index: number) => Promise<unknown>;

interface Contestant {
  readonly name: string;
  readonly table: string;
  readonly start: () => ChildProcess;
  readonly publish: Publish;
}

/**
 * From the call that publishes a change to the moment in which another connection hears that its row is committed, at a
 * steady rate. The server tells of each row (a trigger with NOTIFY): to ask it all the time would cost it more.
 */
export async function benchVisible({ addresses }: SinkBenchOptions): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'changeover-bench-'));
  const table: string[][] = [];
  const { brokers } = addresses.kafka;
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const compete = async (
        opens: (prefix: string, publish: Publish) => Promise<Contestant>,
        who: string,
      ) => {
        const prefix = `bench-visible-${who}-${round}`;
        await withLog(addresses.kafka, prefix, async (log) => {
          await log.prepare();
          const publisher = await log.publisher();
          const publish: Publish = (index) => publisher.publish([agentChange(index)]);
          table.push([`${round}`, ...(await contest(addresses.postgres.url, await opens(prefix, publish)))]);
        });
      };
      const place = (prefix: string): RunPlace => ({ addresses, prefix, round: 100 + round, dir });
      await compete(async (prefix, publish) => {
        return {
          name: 'kafkajs → decode → guarded upsert → commit',
          ...(await bareRun(place(prefix))),
          publish,
        };
      }, 'bare');
      await compete(async (prefix, publish) => {
        return { name: '`changeover run`', ...(await ourRun(place(prefix))), publish };
      }, 'ours');
      await compete(async (topic) => {
        const publish: Publish = (index) => producer.send({ topic, messages: [peerMessage(index)] });
        return { ...(await peerRun(addresses, topic, join(dir, topic))), publish };
      }, 'peer');
    }
  } finally {
    await producer.disconnect();
    await rm(dir, { recursive: true });
  }
  const columns = ['p50, ms', 'p99, ms', `first ${EARLY_S} s: p50`, 'p99', 'rows'];
  return [`${PER_SECOND} changes/s:`, markdownTable(['round', 'process', ...columns], table)].join('\n\n');
}

async function peerRun(
  { kafka, postgres }: BenchStack,
  topic: string,
  dir: string,
): Promise<Omit<Contestant, 'publish'>> {
  await mkdir(dir);
  await fillPeerTopic(kafka, topic, 0);
  const table = `peer_${topic.replaceAll(/[^a-z0-9]/g, '_')}`;
  await execute(postgres.url, peerTable(table));
  const program = await installPeer();
  const start = await preparePeer({ program, kafka, postgres, topic, table, dir }, PROMPT_PEER);
  return { name: PROMPT_PEER.name, table, start };
}

async function contest(url: string, { name, table, start, publish }: Contestant): Promise<string[]> {
  await execute(url, notifying(table));
  const listener = new pg.Client({ connectionString: url });
  await listener.connect();
  const startedMs = new Map<string, number>();
  const seen: { readonly atMs: number; readonly tookMs: number }[] = [];
  listener.on('notification', ({ payload = '' }) => {
    const fromMs = startedMs.get(payload);
    if (fromMs === undefined) return;
    const nowMs = performance.now();
    startedMs.delete(payload);
    seen.push({ atMs: fromMs, tookMs: nowMs - fromMs });
  });
  await listener.query(`LISTEN ${CHANNEL}`);
  const child = start();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let index = 0;
  const send = async (): Promise<void> => {
    const number = index++;
    startedMs.set(agentChange(number).key, performance.now());
    await publish(number);
  };
  try {
    // It is there when its first row is.
    for (let tries = 0; seen.length === 0; tries++) {
      if (tries > STARTED_WITHIN_S || child.exitCode !== null) throw new Error(`${name} has not started.`);
      await send();
      await sleep(1_000);
    }
    const beganMs = performance.now();
    const sent: Promise<void>[] = [];
    for (let count = 0; count < SECONDS * PER_SECOND; count++) {
      const waitMs = beganMs + (count * 1_000) / PER_SECOND - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      sent.push(send());
    }
    await Promise.all(sent);
    await sleep(2_000);
    const during = seen.filter(({ atMs }) => atMs >= beganMs);
    if (during.length !== sent.length) throw new Error(`${name}: ${during.length} rows of ${sent.length}.`);
    const early = during.filter(({ atMs }) => atMs < beganMs + EARLY_S * 1_000);
    const later = during.slice(early.length);
    const figures = [later, early].flatMap((some) =>
      [0.5, 0.99].map((share) =>
        quantile(
          some.map(({ tookMs }) => tookMs),
          share,
        ),
      ),
    );
    return [name, ...figures.map((ms) => ms.toFixed(1)), `${during.length}`];
  } finally {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
    await listener.end();
  }
}

function notifying(table: string): string {
  return `CREATE OR REPLACE FUNCTION bench_tell() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_notify('${CHANNEL}', NEW.id); RETURN NULL; END $$;
    CREATE TRIGGER tell AFTER INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION bench_tell()`;
}
