/** The parts of the stack that need no server. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ChangeoverError } from '../../core/errors.ts';
import { LOOPBACK } from '../../stack/addresses.ts';
import { createCache } from '../../stack/cache.ts';
import { downloadFailure, startFailure } from '../../stack/failure.ts';
import { serviceHome } from '../../stack/home.ts';
import { lock, tryLock } from '../../stack/lock.ts';
import { readLog } from '../../stack/logs.ts';
import { createPortReservations, isFree } from '../../stack/ports.ts';
import { bootId, parseStat, readStat } from '../../stack/proc.ts';
import { isRunning, stop } from '../../stack/process.ts';
import { EMPTY_STATE, readState, stateFile, withService, writeState } from '../../stack/state.ts';

const never = new AbortController().signal;

async function temporaryDir(test: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'changeover-parts-'));
  test.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('a process record', () => {
  const redis = { name: 'redis', stopSignal: 'SIGKILL', graceMs: 5_000 } as const;

  function sleeper(test: TestContext): ChildProcess {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    test.after(() => child.kill('SIGKILL'));
    return child;
  }

  async function recordOf(test: TestContext, child: ChildProcess, change: (line: string) => string) {
    const home = serviceHome(await temporaryDir(test), 'redis');
    mkdirSync(join(home.dir, '../run'));
    const line = `${bootId()} ${readFileSync(`/proc/${child.pid}/stat`, 'latin1')}`;
    writeFileSync(home.pidFile('redis'), change(line));
    return home;
  }

  it('is of the process that it names, which stop ends', async (test) => {
    const child = sleeper(test);
    const home = await recordOf(test, child, (line) => line);
    assert.equal(isRunning(home, 'redis'), true);
    const exited = once(child, 'exit');
    await stop(home, redis);
    assert.equal(isRunning(home, 'redis'), false);
    assert.equal(existsSync(home.pidFile('redis')), false);
    assert.deepEqual(await exited, [null, 'SIGKILL']);
  });

  it('never makes stop end a process that got the same pid later', async (test) => {
    const child = sleeper(test);
    const started = readStat(child.pid ?? 0)?.startTicks ?? '';
    const earlier = String(Number(started) - 1);
    const home = await recordOf(test, child, (line) => line.replace(` ${started} `, ` ${earlier} `));
    assert.equal(isRunning(home, 'redis'), false);
    await stop(home, redis);
    assert.notEqual(readStat(child.pid ?? 0), undefined);
    assert.equal(child.signalCode, null);
  });

  it('of another boot counts for nothing', async (test) => {
    const child = sleeper(test);
    const home = await recordOf(test, child, (line) => line.replace(bootId(), '0'));
    await stop(home, redis);
    assert.equal(child.signalCode, null);
    assert.notEqual(readStat(child.pid ?? 0), undefined);
  });

  it('is read rightly when the name of the program holds blanks and parentheses', () => {
    const fields = Array.from({ length: 50 }, (_, index) => String(index + 3));
    const stat = parseStat(`42 (a ) R (b) ${['S', '7', '8', '9', ...fields.slice(4)].join(' ')}`);
    assert.deepEqual(stat, { pid: 42, parent: 7, session: 9, startTicks: '22', zombie: false });
  });
});

describe('a lock', () => {
  it('keeps others out until it is released', async () => {
    const held = await tryLock('parts test 1');
    assert.ok(held);
    assert.equal(await tryLock('parts test 1'), undefined);
    await held.release();
    const again = await tryLock('parts test 1');
    assert.ok(again);
    await again.release();
  });

  it('is free when its owner was killed, and names the owner until then', async (test) => {
    const script = `
      import { tryLock } from '${fileURLToPath(new URL('../../stack/lock.ts', import.meta.url))}';
      await tryLock('parts test 2');
      console.log('locked');
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    test.after(() => owner.kill('SIGKILL'));
    await once(owner.stdout, 'data');
    let waitedFor = '';
    const waiting = lock('parts test 2', {
      signal: never,
      withinMs: 10_000,
      onWait: (name) => {
        waitedFor = name;
        owner.kill('SIGKILL');
      },
    });
    await (await waiting).release();
    assert.equal(waitedFor, `pid ${owner.pid}`);
  });

  it('that is not released in time is a conflict', async () => {
    const held = await tryLock('parts test 3');
    await assert.rejects(
      lock('parts test 3', { signal: never, withinMs: 0, onWait: () => undefined }),
      (error) =>
        error instanceof ChangeoverError &&
        error.code === 'conflict' &&
        error.message.includes(`pid ${process.pid}`),
    );
    await held?.release();
  });
});

describe('port reservations', () => {
  it('keep a port that is free, and replace one that is taken', async (test) => {
    const reservations = createPortReservations();
    test.after(() => reservations.release());
    const first = await reservations.reserve(undefined);
    await reservations.release();
    assert.equal(await reservations.reserve(first), first);
    await reservations.release();

    const other = createServer();
    test.after(() => other.close());
    other.listen(first, LOOPBACK);
    await once(other, 'listening');
    assert.equal(await isFree(first), false);
    assert.notEqual(await reservations.reserve(first), first);
  });

  it('of two stacks that start at once are never the same', async (test) => {
    const [one, two] = [createPortReservations(), createPortReservations()];
    test.after(() => Promise.all([one.release(), two.release()]));
    const port = await one.reserve(undefined);
    assert.notEqual(await two.reserve(port), port);
  });
});

describe('the cache', () => {
  it('fills an entry once', async (test) => {
    const cache = createCache(await temporaryDir(test));
    const fill = (dir: string) => writeFile(join(dir, 'file'), 'content');
    const dir = await cache.entry('thing-1', fill);
    assert.equal(readFileSync(join(dir, 'file'), 'utf8'), 'content');
    assert.equal(await cache.entry('thing-1', () => assert.fail('filled again')), dir);
  });

  it('has no entry, and no rest of one, when filling failed', async (test) => {
    const cache = createCache(await temporaryDir(test));
    const broken = async (dir: string) => {
      await writeFile(join(dir, 'half'), '');
      throw new Error('network');
    };
    await assert.rejects(cache.entry('thing-1', broken), /network/);
    assert.deepEqual(await readdir(cache.dir), []);
  });

  it('lets two fill the same entry at once', async (test) => {
    const cache = createCache(await temporaryDir(test));
    const both = Promise.withResolvers<void>();
    let filling = 0;
    const fill = async (dir: string) => {
      filling += 1;
      if (filling === 2) both.resolve();
      await both.promise;
      await writeFile(join(dir, 'file'), 'content');
    };
    const [one, two] = await Promise.all([cache.entry('thing-1', fill), cache.entry('thing-1', fill)]);
    assert.equal(one, two);
    assert.deepEqual(await readdir(cache.dir), ['thing-1']);
    assert.deepEqual(await readdir(one), ['file']);
  });
});

describe('the state file', () => {
  it('holds what was written, for its owner only', async (test) => {
    const dir = await temporaryDir(test);
    const state = withService(EMPTY_STATE, 'redis', { secret: 's', ports: { client: 1234 } });
    await writeState(dir, state);
    assert.deepEqual(await readState(dir), state);
    assert.equal(statSync(stateFile(dir)).mode & 0o777, 0o600);
  });

  it('that is damaged is a configuration error that names the file', async (test) => {
    const dir = await temporaryDir(test);
    await writeFile(stateFile(dir), '{"format": 1,');
    await assert.rejects(
      readState(dir),
      (error) =>
        error instanceof ChangeoverError && error.code === 'config' && error.message.includes(stateFile(dir)),
    );
  });
});

describe('a log', () => {
  async function collect(path: string, options: Parameters<typeof readLog>[1]): Promise<readonly string[]> {
    return Array.fromAsync(readLog(path, options));
  }

  it('is read from its last lines, however long they are', async (test) => {
    const path = join(await temporaryDir(test), 'log');
    assert.deepEqual(await collect(path, { lines: 5 }), []);
    const long = 'é'.repeat(100_000);
    writeFileSync(path, `one\n${long}\nthree\nfour`);
    assert.deepEqual(await collect(path, { lines: 2 }), ['three', 'four']);
    assert.deepEqual(await collect(path, { lines: 3 }), [long, 'three', 'four']);
    assert.deepEqual(await collect(path, { lines: 99 }), ['one', long, 'three', 'four']);
    appendFileSync(path, '\n');
    assert.deepEqual(await collect(path, { lines: 1 }), ['four']);
    assert.deepEqual(await collect(path, { lines: 0 }), []);
  });

  it('is followed until the reader stops, through a rotation', async (test) => {
    const path = join(await temporaryDir(test), 'log');
    writeFileSync(path, 'one\n');
    const stopReading = new AbortController();
    const seen: string[] = [];
    for await (const line of readLog(path, { lines: 1, follow: true, signal: stopReading.signal })) {
      seen.push(line);
      if (line === 'one') appendFileSync(path, 'two and more\n');
      if (line === 'two and more') writeFileSync(path, 'new\n');
      if (line === 'new') stopReading.abort();
    }
    assert.deepEqual(seen, ['one', 'two and more', 'new']);
  });
});

describe('an error', () => {
  const failure = {
    service: 'kafka',
    what: 'ended while starting',
    code: 'unreachable',
    logFile: '/data/logs/kafka.log',
    dataDir: '/',
  } as const;

  it('of a server that died says where its log is, and its last lines', () => {
    const error = startFailure({ ...failure, log: 'first\n\nlast\n' });
    assert.equal(error.code, 'unreachable');
    assert.match(
      error.message,
      /^kafka ended while starting\. Its log is \/data\/logs\/kafka\.log; last lines:\n {2}\| first\n {2}\| last$/,
    );
  });

  it('recognises a full disk, a taken port and too little memory in a log', () => {
    const codes = [
      'java.io.IOException: No space left on device',
      'Address already in use',
      'Cannot allocate memory',
    ].map((log) => startFailure({ ...failure, log }).code);
    assert.deepEqual(codes, ['no-space', 'conflict', 'unreachable']);
    assert.match(startFailure({ ...failure, log: 'OutOfMemoryError' }).hint ?? '', /3 GB/);
    assert.equal(downloadFailure('Kafka', 'ENOSPC: no space left on device').code, 'no-space');
    assert.equal(downloadFailure('Kafka', 'Unknown host').code, 'unreachable');
  });
});
