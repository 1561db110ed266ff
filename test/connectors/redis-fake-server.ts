import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Store } from '../../connectors/connector.ts';
import { openStore, redisOptions } from './redis-support.ts';

/** What a fake server answers to a command: raw RESP, or undefined for no answer at all. */
export type Answer = (command: readonly string[]) => string | undefined;

export interface FakeRedis {
  readonly host: string;
  readonly port: number;
  close(): void;
}

export const OK = '+OK\r\n';

export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

export function info(fields: Readonly<Record<string, string>>): string {
  const given = { redis_version: '7.0.15', redis_mode: 'standalone', ...fields };
  return bulk(
    `# Server\r\n${Object.entries(given)
      .map(([name, value]) => `${name}:${value}\r\n`)
      .join('')}`,
  );
}

/** A server that speaks just enough of the protocol to be in states that a real one is not brought into in a test. */
export async function fakeRedis(answer: Answer): Promise<FakeRedis> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      rest += bytes.toString();
      for (let parsed = parseCommand(rest); parsed !== undefined; parsed = parseCommand(rest)) {
        rest = rest.slice(parsed.length);
        const reply = answer(parsed.command);
        if (reply !== undefined) socket.write(reply);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** The first whole command: an array of bulk strings. (Of ASCII texts, so that characters are bytes.) */
function parseCommand(
  text: string,
): { readonly command: readonly string[]; readonly length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return undefined;
  const command: string[] = [];
  let at = head[0].length;
  for (let count = Number(head[1]); count > 0; count--) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (size === null) return undefined;
    const start = at + size[0].length;
    at = start + Number(size[1]) + 2;
    if (text.length < at) return undefined;
    command.push(text.slice(start, at - 2));
  }
  return { command, length: at };
}

export async function withFake(
  answer: Answer,
  work: (given: { host: string; port: number }) => Promise<void>,
): Promise<void> {
  const fake = await fakeRedis(answer);
  try {
    await work({ host: fake.host, port: fake.port });
  } finally {
    fake.close();
  }
}

/** A healthy server but for what `special` answers. */
export function healthyBut(special: Answer): Answer {
  return (command) => special(command) ?? (command[0] === 'info' ? info({}) : OK);
}

export async function withOpened(answer: Answer, work: (store: Store) => Promise<void>): Promise<void> {
  await withFake(answer, async (given) => {
    const store = await openStore(redisOptions({ ...given, attempts: 1, commandTimeoutMs: 300 }));
    try {
      await work(store);
    } finally {
      await store.close();
    }
  });
}
