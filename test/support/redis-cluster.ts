import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { LOOPBACK } from '../../stack/addresses.ts';
import { createCache, defaultCacheDir } from '../../stack/cache.ts';
import { createPortReservations } from '../../stack/ports.ts';
import { createPrograms } from '../../stack/programs.ts';
import { findRedis, type RedisProgram } from '../../stack/redis-install.ts';

const NODES = 3;
const SLOTS = 16_384;
const READY_WITHIN_MS = 30_000;

export interface ClusterNode {
  readonly port: number;
  readonly bus: number;
  readonly id: string;
  /** A connection to this node alone. */
  readonly redis: Redis;
}

/** A Redis Cluster of this test's own: three primaries that share the slots, in a temporary folder. */
export interface RedisCluster {
  readonly seeds: readonly string[];
  readonly nodes: readonly ClusterNode[];
  /** A bare client, as an application would have one. Whoever asks for it disconnects it. */
  client(protocol?: 2 | 3): Cluster;
  /** Takes a slot from its node to another, key by key, as an operator does. `between` is called before each key. */
  move(slot: number, to: ClusterNode, between?: () => Promise<void>): Promise<void>;
  /** Takes a node down with SIGKILL, and starts it again on what it had written. */
  restart(node: ClusterNode): Promise<void>;
  /** Ends its servers and removes their data. */
  stop(): Promise<void>;
}

export async function startRedisCluster(): Promise<RedisCluster> {
  const signal = new AbortController().signal;
  const program = await findRedis({
    programs: createPrograms(process.env, signal),
    cache: createCache(defaultCacheDir(process.env)),
    signal,
    report: () => undefined,
  });
  const dir = await mkdtemp(join(tmpdir(), 'changeover-redis-cluster-'));
  const children = new Map<number, ChildProcess>();
  const connections: Redis[] = [];
  // However this process ends by itself, its servers go with it.
  const killAll = () => {
    for (const child of children.values()) child.kill('SIGKILL');
  };
  process.once('exit', killAll);
  const stop = async () => {
    process.removeListener('exit', killAll);
    for (const connection of connections) connection.disconnect();
    await Promise.all([...children.values()].map(endOf));
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const ports = createPortReservations();
    const nodes: ClusterNode[] = [];
    try {
      for (let number = 0; number < NODES; number++) {
        const [port, bus] = [await ports.reserve(undefined), await ports.reserve(undefined)];
        children.set(port, launch(program, dir, port, bus));
        const redis = new Redis({ host: LOOPBACK, port, protocol: 2, retryStrategy: () => 50 });
        redis.on('error', () => undefined);
        connections.push(redis);
        await redis.ping();
        nodes.push({ port, bus, id: String(await redis.call('CLUSTER', 'MYID')), redis });
        const first = nodes[0];
        if (first !== undefined && number > 0)
          await redis.call('CLUSTER', 'MEET', LOOPBACK, first.port, first.bus);
      }
    } finally {
      await ports.release();
    }
    await shareSlots(nodes);
    const seeds = nodes.map(({ port }) => `${LOOPBACK}:${port}`);
    return {
      seeds,
      nodes,
      client: (protocol = 2) => new Cluster([...seeds], { redisOptions: { protocol } }),
      move: (slot, to, between) => moveSlot(nodes, slot, to, between),
      async restart({ port, bus }) {
        const child = children.get(port);
        if (child !== undefined) await endOf(child);
        children.set(port, launch(program, dir, port, bus));
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function launch({ command, env }: RedisProgram, dir: string, port: number, bus: number): ChildProcess {
  const settings = {
    bind: LOOPBACK,
    port,
    dir,
    'cluster-enabled': 'yes',
    'cluster-port': bus,
    'cluster-config-file': `nodes-${port}.conf`,
    'cluster-node-timeout': 5_000,
    dbfilename: `${port}.rdb`,
    save: '',
    appendonly: 'yes',
    appenddirname: `aof-${port}`,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function shareSlots(nodes: readonly ClusterNode[]): Promise<void> {
  const share = Math.ceil(SLOTS / nodes.length);
  for (const [number, { redis }] of nodes.entries()) {
    const last = Math.min((number + 1) * share, SLOTS) - 1;
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', number * share, last);
  }
  const deadline = performance.now() + READY_WITHIN_MS;
  for (const { redis } of nodes) {
    while (!(await isReady(redis, nodes.length))) {
      if (performance.now() > deadline) throw new Error('The Redis Cluster did not come up.');
      await sleep(50);
    }
  }
}

async function moveSlot(
  nodes: readonly ClusterNode[],
  slot: number,
  to: ClusterNode,
  between: () => Promise<void> = async () => {},
): Promise<void> {
  const ranges = (await to.redis.call('CLUSTER', 'SLOTS')) as [number, number, [string, number, string]][];
  const holder = ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][2];
  const from = nodes.find(({ id }) => id === holder);
  if (from === undefined) throw new Error(`Nobody has slot ${slot}.`);
  await to.redis.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await from.redis.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
  for (;;) {
    const [key] = (await from.redis.call('CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[];
    if (key === undefined) break;
    await between();
    await from.redis.call('MIGRATE', LOOPBACK, to.port, key, 0, 5_000);
  }
  for (const { redis } of [to, from, ...nodes]) await redis.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
}

async function isReady(redis: Redis, count: number): Promise<boolean> {
  const info = String(await redis.call('CLUSTER', 'INFO'));
  if (!info.includes('cluster_state:ok') || !info.includes(`cluster_known_nodes:${count}`)) return false;
  const slots = (await redis.call('CLUSTER', 'SLOTS')) as unknown[];
  return slots.length === count;
}
