import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';

const WITHIN_MS = 10_000;
const PROXY = new URL('tcp-proxy.ts', import.meta.url).href;
const PROGRAM = `
  import { connect, createServer } from 'node:net';
  import { breakOff } from ${JSON.stringify(PROXY)};
  const server = createServer((peer) => peer.on('error', () => {}));
  server.listen(0, '127.0.0.1', () => {
    const socket = connect(server.address().port, '127.0.0.1', () => {
      socket.end();
      breakOff(socket);
      server.close();
    });
    socket.on('error', () => {});
  });
`;

describe('a connection that a test breaks off while it is being closed', () => {
  it('does not keep the process from its end', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
      stdio: 'ignore',
      timeout: 20_000,
    });
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });
});

describe('a peer that has vanished', () => {
  let server: Server;
  let proxy: TcpProxy;
  /** Everything that has reached the server. */
  let heard: string;
  let peers: Socket[];

  beforeEach(async () => {
    [heard, peers] = ['', []];
    server = createServer((peer) => {
      peers.push(peer);
      peer.on('error', () => {});
      peer.on('data', (chunk) => {
        heard += chunk.toString();
        peer.write(`${chunk}!`);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await openTcpProxy({ target: `127.0.0.1:${(server.address() as AddressInfo).port}` });
  });

  afterEach(async () => {
    await proxy.close();
    for (const peer of peers) peer.destroy();
    server.close();
  });

  async function client(): Promise<{ readonly socket: Socket; got(): string }> {
    let got = '';
    const [host, port] = proxy.address.split(':');
    const socket = connect({ host: host ?? '', port: Number(port) });
    socket.on('data', (chunk) => {
      got += chunk.toString();
    });
    await once(socket, 'connect');
    return { socket, got: () => got };
  }

  it('lets no byte through, in connections that there are and in new ones, and none of them comes late', async () => {
    const old = await client();
    old.socket.write('before');
    await until(() => old.got() === 'before!', WITHIN_MS);
    proxy.vanish();
    const fresh = await client();
    const broken = [old, fresh].map(({ socket }) => once(socket, 'error'));
    old.socket.write('lost');
    fresh.socket.write('lost, too');
    await until(() => proxy.struck === 2, WITHIN_MS);
    peers[0]?.write('an answer that is lost');
    await until(() => proxy.struck === 3, WITHIN_MS);
    assert.deepEqual([old.socket.destroyed, fresh.socket.destroyed], [false, false], 'somebody was told');
    proxy.restore();
    for (const [error] of await Promise.all(broken)) assert.equal(error.code, 'ECONNRESET');
    const other = await client();
    other.socket.write(' after');
    await until(() => other.got() === ' after!', WITHIN_MS);
    assert.equal(heard, 'before after');
    assert.equal(old.got(), 'before!');
    other.socket.destroy();
  });

  it('counts who hangs up, and for how long they had no answer', async () => {
    const [patient, idle, stays] = [await client(), await client(), await client()];
    proxy.vanish();
    for (const { socket } of [patient, stays]) {
      socket.on('error', () => {});
      socket.write('are you there?');
    }
    await sleep(300);
    patient.socket.destroy();
    idle.socket.end('good-bye');
    await until(() => proxy.hungUpAfterMs.length === 2, WITHIN_MS);
    const [short = Number.NaN, long = Number.NaN] = proxy.hungUpAfterMs.toSorted((a, b) => a - b);
    assert.ok(long >= 290, `waited for ${long} ms`);
    assert.ok(short < 200, `waited for ${short} ms`);
    await sleep(50);
    assert.equal(idle.socket.destroyed, false, 'its good-bye was answered');
    idle.socket.on('error', () => {});
    proxy.restore();
    assert.equal(proxy.hungUpAfterMs.length, 2, 'who was still waiting has not hung up');
  });
});
