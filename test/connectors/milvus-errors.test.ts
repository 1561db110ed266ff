import assert from 'node:assert/strict';
import { createServer, type Http2Server } from 'node:http2';
import { createServer as createTcpServer, type Server } from 'node:net';
import { after, describe, it } from 'node:test';
import { openMilvus } from '../../connectors/milvus/client.ts';
import { toMilvusError } from '../../connectors/milvus/errors.ts';
import { milvusOptions } from '../../connectors/milvus/options.ts';
import { systemClock } from '../../core/clock.ts';
import type { ChangeoverError, ErrorCode } from '../../core/errors.ts';
import { assertError } from './expect-error.ts';
import { openStore, testOptions } from './milvus-support.ts';

const servers: (Http2Server | Server)[] = [];
after(() => {
  for (const server of servers) server.close();
});

async function portOf(server: Http2Server | Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A gRPC server that answers every call with this status. */
function refusing(grpcStatus: number, message = 'planted'): Promise<number> {
  const server = createServer();
  server.on('stream', (stream) => {
    const status = { 'grpc-status': String(grpcStatus), 'grpc-message': message };
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true });
  });
  return portOf(server);
}

const open = async (address: string, overrides: Readonly<Record<string, unknown>> = {}) => {
  const options = milvusOptions.parse({ address, timeoutMs: 1_000, ...overrides });
  await (await openMilvus(options, systemClock)).close();
};

describe('opening Milvus gives one clear error for', () => {
  it('a server that is not there', () =>
    assertError(open('127.0.0.1:1'), {
      code: 'unreachable',
      says: /127\.0\.0\.1:1 does not answer/,
      retryable: true,
    }));

  it('a server that accepts and never answers', async () => {
    const port = await portOf(createTcpServer((socket) => socket.unref()).unref());
    await assertError(open(`127.0.0.1:${port}`), { code: 'timeout', says: /in time/, retryable: true });
  });

  it('a wrong password', async () => {
    const port = await refusing(16, 'auth check failure, please check username [x] and password are correct');
    await assertError(open(`127.0.0.1:${port}`, { user: 'x', password: 'wrong' }), {
      code: 'unauthenticated',
      says: /refuses the login/,
      retryable: false,
    });
  });

  it('a user without the right', async () => {
    const port = await refusing(7);
    await assertError(open(`127.0.0.1:${port}`), { code: 'forbidden', says: /refuses the right/ });
  });

  it('a server that knows no such call: the client would take it for success', async () => {
    const port = await refusing(12);
    await assertError(open(`127.0.0.1:${port}`), { code: 'unsupported', says: /lacks a function|nothing/ });
  });

  it('an overloaded server', async () => {
    const port = await refusing(8);
    await assertError(open(`127.0.0.1:${port}`), {
      code: 'unreachable',
      says: /overloaded/,
      retryable: true,
    });
  });

  it('a database that is not there', () =>
    assertError(openStore(testOptions({ database: 'nowhere' })), {
      code: 'mismatch',
      says: /no such database/,
    }));

  it('a password file that is not there', () =>
    assertError(open('127.0.0.1:1', { user: 'x', passwordFile: '/nowhere/password' }), {
      code: 'config',
      says: /passwordFile/,
    }));
});

it('says so when the store was never prepared', async () => {
  const store = await openStore(testOptions());
  try {
    const change = { kind: 'embedding', key: 'x', op: 'd', version: 1, after: null } as never;
    await assertError(store.sink.apply([change]), { code: 'mismatch', says: /no collection .*_tombstones/ });
    assert.equal(await store.source.count('embedding'), 0);
    assert.deepEqual(await store.source.get('embedding', ['x']), [undefined]);
  } finally {
    await store.close();
  }
});

describe('what the server says by its numbers and words is called', () => {
  const status = (code: number, reason = 'planted', retriable = false) =>
    toMilvusError({ status: { error_code: 'UnexpectedError', code, reason, retriable } }, 'here');
  const expected: readonly (readonly [ChangeoverError, ErrorCode, retryable: boolean])[] = [
    [status(1), 'unreachable', true],
    [status(3), 'unreachable', true],
    [status(7), 'no-space', true],
    [status(8), 'unreachable', true],
    [status(100), 'mismatch', false],
    [status(101), 'unreachable', true],
    [status(600), 'unreachable', true],
    [status(1100), 'change-rejected', false],
    [status(1400), 'unauthenticated', false],
    [status(1401), 'forbidden', false],
    [status(4242, 'planted', true), 'unreachable', true],
    [status(4242), 'internal', false],
    [status(65_535, 'no space left on device'), 'no-space', true],
    [status(65_535, 'context deadline exceeded'), 'timeout', true],
    [status(65_535, 'fail to query on channel: node offline'), 'unreachable', true],
    [status(65_535, 'query results exceed the maxOutputSize Limit 104857600'), 'change-rejected', false],
    [status(65_535, 'something new'), 'internal', false],
  ];
  for (const [error, code, retryable] of expected) {
    it(`${code}${retryable ? ', and tried again' : ''}: ${error.message}`, () => {
      assert.equal(error.code, code);
      assert.equal(error.retryable, retryable);
    });
  }
});
