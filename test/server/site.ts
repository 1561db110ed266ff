import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { stringify } from 'yaml';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { openKafkaLog } from '../../log/kafka/open.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import type { Change } from '../../schemas/change.ts';
import { createCodec } from '../../schemas/codec.ts';
import { KINDS } from '../../schemas/kinds.ts';
import { type CommandResult, cli, type RunningCommand, startCli } from '../support/cli.ts';
import { dropTopics } from '../support/kafka-topics.ts';
import { uniqueName } from '../support/names.ts';
import { testStack } from '../support/stack.ts';

/** A deployment of its own on the real Redis and Kafka, with the ingest in a process of its own. */
export interface Site {
  readonly folder: string;
  readonly configFile: string;
  readonly redis: Redis;
  readonly name: string;
  cli(...args: readonly string[]): Promise<CommandResult>;
  /** Starts `changeover serve`, and answers when it listens. */
  serve(...args: readonly string[]): Promise<Serving>;
  /** Every change in the log, as soon as it holds at least so many. */
  log(atLeast: number): Promise<readonly Change[]>;
}

export interface Serving {
  readonly address: string;
  readonly port: string;
  readonly command: RunningCommand;
  kill(): Promise<void>;
  stop(): Promise<CommandResult>;
}

export interface SiteOptions {
  /** Sections of the configuration. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** Legacy stores beside Redis. */
  readonly legacy?: (folder: string) => Readonly<Record<string, unknown>>;
  /** Where Redis is said to be: `host:port`. */
  readonly redisAddress?: string;
}

export async function openSite(
  test: TestContext,
  { more = {}, legacy, redisAddress }: SiteOptions = {},
): Promise<Site> {
  const stack = testStack();
  const name = uniqueName('ingest');
  const folder = await mkdtemp(join(tmpdir(), 'changeover-ingest-'));
  const configFile = join(folder, 'changeover.yaml');
  const kafka = { brokers: stack.kafka.brokers, partitions: 2 };
  const config = {
    prefix: name,
    kafka,
    legacy: {
      redis: {
        url: `redis://${redisAddress ?? `${stack.redis.host}:${stack.redis.port}`}/0`,
        password: stack.redis.password,
        keys: {
          agent: `${name}:agent:{id}`,
          qValues: `${name}:q:{id}`,
          policy: `${name}:policy:{id}`,
          namedPolicies: `${name}:policies:{id}`,
          experiences: `${name}:exp:{id}`,
        },
        bookkeepingPrefix: `${name}:changeover:`,
        attempts: 2,
      },
      ...legacy?.(folder),
    },
    ...more,
  };
  await writeFile(configFile, stringify(config));
  const redis = new Redis({ ...stack.redis, lazyConnect: false });
  const running: RunningCommand[] = [];
  test.after(async () => {
    for (const { child, result } of running) {
      child.kill('SIGKILL');
      await result;
    }
    for await (const keys of redis.scanStream({ match: `${name}:*`, count: 1_000 })) {
      if (keys.length > 0) await redis.unlink(keys as string[]);
    }
    await forgetMarks(redis, name);
    await redis.quit();
    await dropTopics(stack.kafka.brokers[0] ?? '', name);
    await rm(folder, { recursive: true, force: true });
  });
  return {
    folder,
    configFile,
    redis,
    name,
    cli: (...args) => cli(['--config', configFile, ...args]),
    serve: async (...args) => {
      const command = startCli(['--config', configFile, 'serve', ...args]);
      running.push(command);
      const address = await listening(command);
      const ended = async (signal: NodeJS.Signals): Promise<CommandResult> => {
        command.child.kill(signal);
        return command.result;
      };
      return {
        address,
        port: new URL(address).port,
        command,
        kill: async () => {
          await ended('SIGKILL');
        },
        stop: () => ended('SIGTERM'),
      };
    },
    log: (atLeast) => readLog(name, kafka, atLeast),
  };
}

/** The marks of roles are one hash for everybody. */
async function forgetMarks(redis: Redis, name: string): Promise<void> {
  const fields = (await redis.hkeys('changeover:places')).filter((field) => field.includes(name));
  if (fields.length > 0) await redis.hdel('changeover:places', ...fields);
}

async function listening({ child, said }: RunningCommand): Promise<string> {
  let text = '';
  child.stderr?.on('data', (data: Buffer) => {
    text += data.toString();
  });
  await said('Listening at http');
  // The line may come in two pieces.
  for (;;) {
    const [, address] = /Listening at (http:\S+)\n/.exec(text) ?? [];
    if (address !== undefined) return address;
    await systemClock.sleep(10);
  }
}

async function readLog(
  prefix: string,
  kafka: { readonly brokers: readonly string[]; readonly partitions: number },
  atLeast: number,
): Promise<readonly Change[]> {
  const codec = createCodec();
  const surroundings = { prefix, codec, writer: 'test', logger: silentLogger, clock: systemClock };
  const log = await openKafkaLog(kafkaOptions.parse(kafka), surroundings);
  const changes: Change[] = [];
  try {
    // The relay makes the topics when it first needs them.
    await log.prepare();
    const subscription = await log.subscribe({ group: `read-${Math.random()}`, kinds: KINDS });
    const signal = AbortSignal.timeout(30_000);
    for await (const batch of subscription.batches(signal)) {
      for (const { kind, key, value } of batch.records) {
        if (value !== null) changes.push(codec.decode(kind, key, value));
      }
      const positions = await log.positions(KINDS);
      const total = positions.reduce((sum, { end, start }) => sum + end - start, 0);
      if (changes.length >= Math.max(total, atLeast)) break;
    }
    return changes;
  } finally {
    await log.close();
  }
}
