import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';

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
