/**
 * Free ports on the loopback interface, from below the range that the kernel hands to outgoing connections: a port in that
 * range could be taken by any client between two starts.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { ChangeoverError } from '../core/errors.ts';
import { LOOPBACK } from './addresses.ts';
import { type Lock, tryLock } from './lock.ts';

const RANGE_SIZE = 12_000;
const ATTEMPTS = 500;

export interface PortReservations {
  /** The preferred port when it is still free, else another one. Nobody else gets it until `release`. */
  reserve(preferred: number | undefined): Promise<number>;
  /** To be called when the servers have bound their ports. */
  release(): Promise<void>;
}

export function createPortReservations(): PortReservations {
  const locks: Lock[] = [];
  const take = async (port: number): Promise<boolean> => {
    const held = await tryLock(`port ${port}`);
    if (held === undefined) return false;
    locks.push(held);
    return isFree(port);
  };
  return {
    async reserve(preferred) {
      if (preferred !== undefined && (await take(preferred))) return preferred;
      const end = firstOutgoingPort();
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const port = randomInt(Math.max(1024, end - RANGE_SIZE), end);
        if (await take(port)) return port;
      }
      throw new ChangeoverError('conflict', `No free port found on ${LOOPBACK} after ${ATTEMPTS} attempts`);
    },
    async release() {
      await Promise.all(locks.splice(0).map((held) => held.release()));
    },
  };
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function firstOutgoingPort(): number {
  try {
    const first = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1'), 10);
    return first > 2048 ? first : 32_768;
  } catch {
    return 32_768;
  }
}
