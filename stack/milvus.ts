/**
 * Milvus standalone, with its own etcd and queue inside one process, in a network of its own (milvus-network.ts). Clients reach it
 * through a forwarder on the loopback interface. Both processes belong together: the forwarder lives in the network of
 * that one Milvus process.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LOOPBACK } from './addresses.ts';
import { MILVUS_PORTS, writeMilvusConfig } from './milvus-config.ts';
import { findMilvus, type MilvusProgram } from './milvus-install.ts';
import { checkNetworks, networkOf, newNetwork } from './milvus-network.ts';
import { probeMilvus } from './milvus-probe.ts';
import { within } from './probe.ts';
import { isRunning, launch, runningProcess } from './process.ts';
import type { Machine, ManagedProcess, ServiceHome, StackService } from './service.ts';

type Port = 'grpc' | 'metrics';

const FORWARDER: ManagedProcess = { name: 'milvus-forwarder', stopSignal: 'SIGTERM', graceMs: 2_000 };
/** SIGTERM did not end it in 93 s; what it acknowledged survives SIGKILL. */
const MILVUS: ManagedProcess = { name: 'milvus', stopSignal: 'SIGKILL', graceMs: 15_000 };

const ENTER_WITHIN_MS = 10_000;
const HAND_OVER_WITHIN_MS = 20_000;

const FORWARDER_SCRIPT = fileURLToPath(
  new URL(`./milvus-forwarder${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
);

export const milvus: StackService<'milvus', Port> = {
  name: 'milvus',
  portNames: ['grpc', 'metrics'],
  processes: [FORWARDER, MILVUS],
  readyWithinMs: 240_000,

  async install(machine, home) {
    await checkNetworks(machine.programs);
    const program = await findMilvus(machine);
    return async () => {
      if (!isRunning(home, MILVUS.name)) await startMilvus(machine, home, program);
      await startForwarder(machine, home);
    };
  },

  ready: (home) => probeMilvus(`${LOOPBACK}:${home.ports.grpc}`),

  address: (home) => ({
    address: `${LOOPBACK}:${home.ports.grpc}`,
    metricsUrl: `http://${LOOPBACK}:${home.ports.metrics}`,
  }),
};

async function startMilvus(machine: Machine, home: ServiceHome<Port>, program: MilvusProgram): Promise<void> {
  await writeMilvusConfig(program, home.dir);
  const [command = '', ...args] = [...newNetwork(machine.programs), program.command, 'run', 'standalone'];
  await launch({
    home,
    process: MILVUS.name,
    command,
    args,
    env: {
      ...machine.programs.env,
      DEPLOY_MODE: 'STANDALONE',
      METRICS_PORT: String(MILVUS_PORTS.metrics),
      LD_LIBRARY_PATH: program.libraryPath,
    },
    cwd: home.dir,
  });
}

async function startForwarder(machine: Machine, home: ServiceHome<Port>): Promise<void> {
  const target = runningProcess(home, MILVUS.name);
  // It died at once; the orchestrator says so, with its log.
  if (target === undefined) return;
  await inOtherNetwork(target.pid);
  const [command = '', ...args] = [
    ...networkOf(machine.programs, target.pid),
    process.execPath,
    FORWARDER_SCRIPT,
  ];
  const child = await launch({
    home,
    process: FORWARDER.name,
    command,
    args,
    env: machine.programs.env,
    cwd: home.dir,
    ipc: true,
  });
  try {
    for (const name of ['grpc', 'metrics'] as const) {
      await handOver(child, home.ports[name], MILVUS_PORTS[name]);
    }
  } finally {
    if (child.connected) child.disconnect();
  }
}

/** The process is recorded a moment before it enters its network. */
async function inOtherNetwork(pid: number): Promise<void> {
  const ours = await readlink('/proc/self/ns/net');
  const deadline = Date.now() + ENTER_WITHIN_MS;
  while (Date.now() < deadline) {
    const theirs = await readlink(`/proc/${pid}/ns/net`).catch(() => ours);
    if (theirs !== ours) return;
    await sleep(10);
  }
}

/** Listens in this process' network and gives the listening socket to the forwarder, which accepts from it from then on. */
async function handOver(forwarder: ChildProcess, port: number, innerPort: number): Promise<void> {
  // A client that is quick enough to meet us instead of the forwarder connects again.
  const server = createServer((socket) => socket.destroy());
  server.listen({ host: LOOPBACK, port, exclusive: true });
  await once(server, 'listening');
  const acknowledged = once(forwarder, 'message');
  forwarder.send({ port: innerPort }, server);
  await within(HAND_OVER_WITHIN_MS, acknowledged);
  server.close();
}
