import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Neo4jError } from 'neo4j-driver';
import { neo4jError } from '../../connectors/neo4j/errors.ts';
import { isSupported } from '../../connectors/neo4j/server-version.ts';
import { ChangeoverError, type ErrorCode } from '../../core/errors.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import { testGraph } from './neo4j-graph.ts';

const graph = testGraph();
after(() => graph.remove());

async function failureOf(work: Promise<unknown>): Promise<ChangeoverError> {
  const error: unknown = await work.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ChangeoverError, String(error));
  assert.ok(!error.message.includes('\n'), 'one line');
  assert.ok(error.hint !== undefined && error.hint !== '', `${error.message}: no hint`);
  return error;
}

const openWith = (changes: object) => failureOf(graph.open('target', ['agent'], changes));

/** The address of a server that hands its connections to `serve` and ends with the test. */
async function listen(test: TestContext, serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `bolt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('opening a Neo4j store says in one line what is wrong', () => {
  it('when nothing listens', async () => {
    const error = await openWith({ url: 'bolt://127.0.0.1:1' });
    assert.equal(error.code, 'unreachable');
    assert.ok(error.retryable);
    assert.match(error.message, /bolt:\/\/127\.0\.0\.1:1.*does not answer \(connect ECONNREFUSED/);
  });

  it('when the host has no address', async () => {
    assert.equal((await openWith({ url: 'bolt://no.such.host.invalid:7687' })).code, 'unreachable');
  });

  it('when the server takes the connection and says nothing', async (test) => {
    const url = await listen(test, () => {});
    const error = await openWith({ url, queryTimeoutMs: 100, connectTimeoutMs: 300 });
    assert.equal(error.code, 'timeout');
    assert.ok(error.retryable);
  });

  it('when it is no Neo4j', async (test) => {
    const url = await listen(test, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const error = await openWith({ url });
    assert.equal(error.code, 'mismatch');
    assert.match(error.hint ?? '', /Bolt port/);
  });

  it('when the password is wrong', async () => {
    const error = await openWith({ password: 'wrong' });
    assert.equal(error.code, 'unauthenticated');
    assert.equal(error.retryable, false);
  });

  it('when there is no such database', async () => {
    assert.equal((await openWith({ database: 'nosuch' })).code, 'mismatch');
  });

  it('when the server has no TLS', async () => {
    const url = graph.options().url.replace('bolt:', 'bolt+s:');
    const error = await openWith({ url });
    assert.equal(error.code, 'unreachable');
    assert.match(error.hint ?? '', /TLS/);
  });

  it('when the file with the password cannot be read', async () => {
    const error = await openWith({ passwordFile: '/no/such/file' });
    assert.equal(error.code, 'config');
    assert.match(error.message, /passwordFile.*ENOENT/);
  });

  it('and takes the password from a file, without its line break', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'changeover-'));
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, `${graph.options().password}\n`);
    const store = await graph.open('target', ['agent'], { password: 'wrong', passwordFile });
    await rm(folder, { recursive: true });
    assert.ok((await store.probe.check()).length > 0);
  });
});

/** A way to the real server on which, while it is frozen, nothing gets through in either direction. */
async function freezable(test: TestContext): Promise<{ readonly url: string; frozen: boolean }> {
  const server = new URL(graph.options().url);
  const url = await listen(test, (socket) => {
    const upstream = connect(Number(server.port), server.hostname);
    upstream.on('error', () => {});
    socket.on('data', (bytes) => way.frozen || upstream.write(bytes));
    upstream.on('data', (bytes) => way.frozen || socket.write(bytes));
    socket.on('close', () => upstream.destroy());
  });
  const way = { url, frozen: false };
  return way;
}

describe('a Neo4j server that stops answering', () => {
  it('is given up after a time, and used again when it is back', async (test) => {
    const way = await freezable(test);
    const { url } = way;
    const store = await graph.open('target', ['agent'], {
      url,
      queryTimeoutMs: 2_000,
      retryTimeMs: 100,
      connectTimeoutMs: 1_000,
    });
    await store.prepare();
    const change = upsert('agent', sampleEntity('agent', { name: 'thawed' }), 7);
    await store.sink.apply([upsert('agent', sampleEntity('agent', { name: 'warm' }), 7)]);
    way.frozen = true;
    const error = await failureOf(store.sink.apply([change]));
    assert.equal(error.code, 'timeout');
    assert.ok(error.retryable);
    way.frozen = false;
    const [outcome] = await store.sink.apply([change]);
    assert.ok(outcome?.status === 'applied' || outcome?.status === 'stale');
    assert.equal((await store.source.get('agent', ['thawed']))[0]?.version, 7);
  });

  it('is given up by everybody at once: nobody waits for a connection that was thrown away', async (test) => {
    const way = await freezable(test);
    const limits = { url: way.url, queryTimeoutMs: 500, retryTimeMs: 0, connectTimeoutMs: 1_000 };
    const store = await graph.open('legacy', ['agent'], limits);
    // Two connections that are there already, so that both of them wait for answers.
    await Promise.all([store.source.count('agent'), store.source.count('agent')]);
    way.frozen = true;
    const first = failureOf(store.source.count('agent'));
    await setTimeout(2_500);
    const begun = performance.now();
    const other = failureOf(store.source.count('agent'));
    assert.equal((await first).code, 'timeout');
    const error = await other;
    assert.deepEqual([error.code, error.retryable], ['unreachable', true]);
    assert.match(error.message, /given up, because another call had no answer/);
    // Its own deadline is 5.5 s from its own beginning.
    assert.ok(performance.now() - begun < 4_500);
    way.frozen = false;
    await store.source.count('agent');
  });

  it('passes, in whatever moment of theirs connections to it break', async (test) => {
    const proxy = await openTcpProxy({ target: new URL(graph.options().url).host });
    const store = await graph.open('legacy', ['agent'], {
      url: `bolt://${proxy.address}`,
      retryTimeMs: 0,
    });
    test.after(async () => {
      await store.close();
      await proxy.close();
    });
    const codes = new Map<ErrorCode, number>();
    const untilMs = performance.now() + 4_000;
    const ask = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        const reset = setTimeout(20).then(() => proxy.reset());
        await store.source.count('agent').catch((error: ChangeoverError) => {
          codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        });
        await reset;
      }
    };
    await Promise.all(Array.from({ length: 6 }, ask));
    assert.deepEqual([...codes.keys()], ['unreachable']);
  });

  it('is not asked again through a store that was closed', async () => {
    const store = await graph.open('legacy', ['agent']);
    await store.close();
    await assert.rejects(store.source.count('agent'), { code: 'aborted', retryable: false });
  });
});

describe('what a failure of the Neo4j server means', () => {
  /** Of a full disk, another version and a right that the test has not got. Of the others the server is asked, below. */
  const SERVER_ERRORS: readonly (readonly [string, string, ErrorCode, boolean])[] = [
    ['N/A', 'Connection acquisition timed out in 5 ms', 'timeout', true],
    ['N/A', 'Pool is closed, it is no more able to serve requests.', 'unreachable', true],
    ['ProtocolError', 'Failed to connect to server. Caused by: read ECONNRESET', 'unreachable', true],
    ['ProtocolError', 'Unknown structure', 'internal', false],
    ['Neo.ClientError.Security.Unauthorized', 'no', 'unauthenticated', false],
    ['Neo.ClientError.Security.AuthenticationRateLimit', 'no', 'unauthenticated', false],
    ['Neo.ClientError.Security.CredentialsExpired', 'no', 'unauthenticated', false],
    ['Neo.ClientError.Security.AuthorizationExpired', 'no', 'unauthenticated', true],
    ['Neo.ClientError.Security.Forbidden', 'no', 'forbidden', false],
    ['Neo.ClientError.General.WriteOnReadOnlyAccessDatabase', 'no', 'forbidden', false],
    ['Neo.ClientError.General.ForbiddenOnReadOnlyDatabase', 'no', 'forbidden', false],
    ['Neo.ClientError.Database.DatabaseNotFound', 'no', 'mismatch', false],
    ['Neo.ClientError.Transaction.TransactionTimedOut', 'no', 'timeout', true],
    ['Neo.TransientError.Transaction.DeadlockDetected', 'no', 'conflict', true],
    ['Neo.ClientError.Statement.EntityNotFound', 'no', 'conflict', true],
    ['Neo.TransientError.General.DatabaseUnavailable', 'no', 'unreachable', true],
    ['Neo.TransientError.General.MemoryPoolOutOfMemoryError', 'no', 'unreachable', true],
    ['Neo.ClientError.Schema.IndexAlreadyExists', 'no', 'conflict', false],
    ['Neo.ClientError.Schema.ConstraintValidationFailed', 'no', 'change-rejected', false],
    ['Neo.ClientError.Transaction.LockClientStopped', 'no', 'conflict', true],
    ['Neo.TransientError.Transaction.LockClientStopped', 'no', 'conflict', true],
    ['Neo.DatabaseError.Statement.ExecutionFailed', 'Something new', 'internal', false],
    ['Neo.DatabaseError.Statement.ExecutionFailed', 'No space left on device', 'no-space', true],
    [
      'Neo.DatabaseError.General.UnknownError',
      'System is out of disk space for store file at: /data/neostore. To be able to proceed …',
      'no-space',
      true,
    ],
    ['N/A', 'No space left on device', 'internal', false],
    ['N/A', 'a name that is no fault: Pool is closed', 'internal', false],
    ['Neo.ClientError.Statement.SemanticError', 'Server responded HTTP', 'internal', false],
    ['Neo.DatabaseError.Transaction.TransactionCommitFailed', 'No space left on device', 'no-space', true],
    [
      'Neo.DatabaseError.Transaction.TransactionCommitFailed',
      'Could not apply the transaction: Transaction #472 {…} to the store after written to log.',
      'unreachable',
      true,
    ],
    ['Neo.DatabaseError.Transaction.TransactionLogError', 'Could not append', 'no-space', true],
    ['Neo.DatabaseError.Transaction.TransactionStartFailed', 'needs to be restarted', 'unreachable', true],
    ['Neo.ClientError.Statement.SyntaxError', 'a defect of ours', 'internal', false],
  ];

  for (const [code, message, expected, retryable] of SERVER_ERRORS) {
    it(`${code}: ${expected}`, () => {
      const error = neo4jError(new Neo4jError(message, code, '50N42', ''), 'Neo4j at x');
      assert.ok(error instanceof ChangeoverError);
      assert.deepEqual([error.code, error.retryable], [expected, retryable]);
      assert.match(error.message, /^Neo4j at x: /);
    });
  }

  it('leaves what is no failure of the server as it is', () => {
    const defect = new TypeError('x is not a function');
    assert.equal(neo4jError(defect, 'Neo4j at x'), defect);
  });

  it('accepts the versions that it was made for, and later ones', () => {
    for (const version of ['5.26.0', '5.26.30', '5.27.1', '2025.01.0', '2026.3'])
      assert.ok(isSupported(version));
    for (const version of ['3.5.35', '4.4.41', '5.25.1', '', 'dev'])
      assert.ok(!isSupported(version), version);
  });
});

describe('what the Neo4j server says of what it was given', () => {
  /** It stands in every value, so that no message that quotes one may be taken for one about the disk. */
  const WORDS = 'disk full: No space left on device, Pool is closed';
  const label = `${graph.labels.agent}_said`;
  const meaningOf = async (
    text: string,
    parameters: object = {},
    config: object = {},
  ): Promise<ChangeoverError> => {
    const session = graph.driver.session();
    try {
      await session.run(text, parameters, config);
    } catch (error) {
      const meaning = neo4jError(error, 'Neo4j at x');
      assert.ok(meaning instanceof ChangeoverError, String(error));
      return meaning;
    } finally {
      await session.close();
    }
    return assert.fail(`it takes ${text}`);
  };
  before(async () => {
    await graph.run(`CREATE CONSTRAINT ${label}_errors FOR (n:${label}) REQUIRE n.id IS UNIQUE`);
    await graph.run(`CREATE (:${label} {id: $id})`, { id: WORDS });
    await graph.run(`UNWIND [1, 2] AS x CREATE (:${label}_twice {id: $id})`, { id: WORDS });
  });

  const ASKED: readonly (readonly [string, string, object, ErrorCode, boolean])[] = [
    ['a key that is there', `CREATE (:${label} {id: $id})`, { id: WORDS }, 'change-rejected', false],
    [
      'a key that is too long',
      `CREATE (:${label} {id: $id})`,
      { id: WORDS.repeat(800) },
      'change-rejected',
      false,
    ],
    [
      'a map as a property',
      `CREATE (n:${label}) SET n = $map`,
      { map: { a: { b: WORDS } } },
      'change-rejected',
      false,
    ],
    ['a mistake of ours', `RETURN '${WORDS}' x y`, {}, 'internal', false],
    ['a procedure that it lacks', 'CALL db.noSuchThing()', {}, 'internal', false],
    [
      'a constraint that is there',
      `CREATE CONSTRAINT ${label}_errors FOR (n:${label}) REQUIRE n.id IS UNIQUE`,
      {},
      'conflict',
      false,
    ],
    ['a name that is there', `CREATE INDEX ${label}_errors FOR (n:${label}) ON (n.x)`, {}, 'conflict', false],
    [
      'a rule that its nodes break',
      `CREATE CONSTRAINT FOR (n:${label}_twice) REQUIRE n.id IS UNIQUE`,
      {},
      'mismatch',
      false,
    ],
    [
      'a node that is gone',
      `MATCH (n:${label} {id: $id}) DELETE n WITH n RETURN n.x`,
      { id: WORDS },
      'conflict',
      true,
    ],
    [
      'more than it has memory for',
      'UNWIND range(1, 200000000) AS x WITH collect(x) AS numbers RETURN size(numbers)',
      {},
      'unreachable',
      true,
    ],
  ];
  for (const [what, text, parameters, code, retryable] of ASKED) {
    it(`${what}: ${code}`, async () => {
      const error = await meaningOf(text, parameters);
      assert.deepEqual([error.code, error.retryable], [code, retryable], error.message);
    });
  }

  it('a statement that takes too long: timeout', async () => {
    const text = 'UNWIND range(1, 1000000000) AS x WITH x WHERE x % 7 = 8 RETURN count(x)';
    assert.equal((await meaningOf(text, {}, { timeout: 200 })).code, 'timeout');
  });

  it('a transaction that an operator ends: unreachable, and tried again', async () => {
    const session = graph.driver.session();
    const marked = { of: label };
    const transaction = session.beginTransaction({ metadata: marked });
    try {
      await transaction.run('RETURN 1');
      const [row] = await graph.run(
        'SHOW TRANSACTIONS YIELD transactionId AS id, metaData WHERE metaData.of = $of RETURN id',
        marked,
      );
      await graph.run('TERMINATE TRANSACTIONS $id', { id: row?.get('id') });
      const error = await transaction.run('RETURN 2').then(
        () => assert.fail('it goes on'),
        (reason: unknown) => neo4jError(reason, 'Neo4j at x'),
      );
      assert.ok(error instanceof ChangeoverError);
      assert.deepEqual([error.code, error.retryable], ['unreachable', true]);
    } finally {
      await session.close();
    }
  });

  it('two transactions that wait for each other: conflict, and tried again', async () => {
    await graph.run(`CREATE (:${label} {id: 'left'}), (:${label} {id: 'right'})`);
    const sessions = [graph.driver.session(), graph.driver.session()] as const;
    const [one, other] = [sessions[0].beginTransaction(), sessions[1].beginTransaction()];
    const lock = `MATCH (n:${label} {id: $id}) SET n.x = 1`;
    await one.run(lock, { id: 'left' });
    await other.run(lock, { id: 'right' });
    const settled = await Promise.allSettled([
      one.run(lock, { id: 'right' }),
      other.run(lock, { id: 'left' }),
    ]);
    for (const session of sessions) await session.close();
    const meanings = settled.flatMap((each) =>
      each.status === 'rejected' ? [neo4jError(each.reason, 'x')] : [],
    );
    assert.ok(meanings.length > 0);
    for (const error of meanings) {
      assert.ok(error instanceof ChangeoverError);
      assert.deepEqual([error.code, error.retryable], ['conflict', true]);
    }
  });
});
