/**
 * Runs the tests on the real servers, which it starts in a folder of its own and stops afterwards, also when it is interrupted.
 *
 *   npm test                             everything
 *   npm test -- test/contract            only these folders or files
 *   CHANGEOVER_TEST_STACK=FILE npm test  on servers that run already (FILE: what `changeover stack status --json` prints)
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, globSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reportError } from '../cli/output/report-error.ts';
import { stopOnSignals } from '../cli/stop-signal.ts';
import { exitCodeOf } from '../core/errors.ts';
import { tryLock } from '../stack/lock.ts';
import { openStack } from '../stack/stack.ts';

const UNIT = [
  'test/core',
  'test/schemas',
  'test/consumers',
  'test/producers',
  'test/validate',
  'test/cli',
  'test/docs',
  'test/specification',
  'test/simulation',
];
/** Needs no servers of the shared stack: it starts its own. */
const OWN_STACK = ['test/stack'];

/** Of one file; a file that hangs fails, and the others go on. */
const FILE_TIMEOUT_MS = 10 * 60_000;
/** For tests that are interrupted, to end by themselves. */
const GRACE_MS = 3_000;

/** What a run makes, and leaves nothing of. It holds a lock of its id, by which others know that it is at work. */
const stackFolder = (id: string): string => join('.changeover', `test-${id}`);
/** Of the tests: their files, and stacks of their own. */
const temporaryFolder = (id: string): string => join(tmpdir(), `changeover-tests-${id}`);
const lockName = (id: string): string => `tests ${id}`;

let runner: ChildProcess | undefined;

/** The first signal stops everything that was started, the second ends this process: then say what stays. */
function sayWhatStays(id: string): void {
  const dir = stackFolder(id);
  process.on('exit', () => {
    signalRunner('SIGKILL');
    if (existsSync(join(dir, 'state.json'))) console.error(`${dir} stays. ${howToReset(dir)}`);
  });
  // A terminal that is gone, or a pipe whose reader has ended, is no reason to leave servers behind.
  process.stderr.on('error', () => {});
}

/** The test runner, the tests, and what they have started, except for servers: these have sessions of their own. */
function signalRunner(signal: NodeJS.Signals): void {
  if (runner?.pid === undefined) return;
  try {
    process.kill(-runner.pid, signal);
  } catch {
    // Nothing of it is left.
  }
}

function testFiles(places: readonly string[]): readonly string[] {
  return places.flatMap((place) => {
    const path = place.replace(/\/$/, '');
    return statSync(path).isDirectory() ? globSync(`${path}/**/*.test.ts`).sort() : [path];
  });
}

async function runTests(
  files: readonly string[],
  env: Readonly<Record<string, string>>,
  stop: AbortSignal,
): Promise<number> {
  const concurrency = Math.max(2, availableParallelism());
  const args = [
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    '--disable-warning=TimeoutNegativeWarning',
    ...files,
  ];
  // A process group of its own, to end what the tests have started together with them.
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: { ...process.env, ...env },
  });
  runner = child;
  const ended = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1)));
  const stopped = stop.aborted ? Promise.resolve() : once(stop, 'abort');
  await Promise.race([ended, stopped]);
  if (stop.aborted) {
    signalRunner('SIGTERM');
    await Promise.race([ended, sleep(GRACE_MS, undefined, { ref: false })]);
    signalRunner('SIGKILL');
  }
  const code = await ended;
  runner = undefined;
  return code;
}

async function withStack(
  id: string,
  stop: AbortSignal,
  work: (addressesFile: string) => Promise<number>,
): Promise<number> {
  const given = process.env.CHANGEOVER_TEST_STACK;
  if (given !== undefined && given !== '') return work(resolve(given));
  const stack = await openStack({
    dir: stackFolder(id),
    signal: stop,
    onProgress: ({ service, message }) => console.error(`  ${service.padEnd(10)} ${message}`),
  });
  console.error(`Starting the servers of the tests in ${stackFolder(id)}`);
  try {
    await stack.up();
    // Where a reset deletes it, whoever does the reset.
    const addressesFile = join(stack.dir, 'run', 'addresses.json');
    writeFileSync(addressesFile, JSON.stringify(await stack.addresses()), { mode: 0o600 });
    return await work(addressesFile);
  } finally {
    await stack.reset();
  }
}

/** A folder for the tests' own files; afterwards nothing of it is left, nor of a stack that an interrupted test left in it. */
async function withTemporaryFolder<T>(id: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = temporaryFolder(id);
  mkdirSync(dir);
  // Postgres, which does not run as root, must be able to pass.
  chmodSync(dir, 0o711);
  try {
    return await work(dir);
  } finally {
    for (const left of stacksBelow(dir)) await (await openStack({ dir: left })).down();
    rmSync(dir, { recursive: true, force: true });
  }
}

function stacksBelow(folder: string): readonly string[] {
  return globSync(`${folder}/**/state.json`).map((file) => dirname(file));
}

/** A run that was killed could stop nothing. */
async function nameLeftovers(): Promise<void> {
  for (const folder of globSync([stackFolder('*'), temporaryFolder('*')])) {
    const lock = await tryLock(lockName(folder.slice(folder.lastIndexOf('-') + 1)));
    // Another run, which is at work.
    if (lock === undefined) continue;
    await lock.release();
    for (const dir of stacksBelow(folder)) {
      console.error(
        `${dir} was left by tests that were killed; its servers may be running. ${howToReset(dir)}`,
      );
    }
  }
}

function howToReset(dir: string): string {
  return `This stops and deletes it:\n  bin/changeover.js stack reset --dir ${dir}`;
}

async function main(id: string, stop: AbortSignal): Promise<number> {
  const asked = process.argv.slice(2);
  const files = testFiles(asked.length === 0 ? ['test'] : asked);
  if (files.length === 0) {
    console.error('There is no test there.');
    return 2;
  }
  await nameLeftovers();
  await tryLock(lockName(id));
  const needsStack = files.some(
    (file) => ![...UNIT, ...OWN_STACK].some((folder) => file.startsWith(`${folder}/`)),
  );
  return withTemporaryFolder(id, (temporary) => {
    const run = (addressesFile: string): Promise<number> =>
      runTests(files, { TMPDIR: temporary, CHANGEOVER_TEST_STACK: addressesFile }, stop);
    return needsStack ? withStack(id, stop, run) : run('');
  });
}

const id = randomUUID().slice(0, 8);
const controller = new AbortController();
stopOnSignals(controller);
sayWhatStays(id);
const stop = controller.signal;
try {
  process.exitCode = await main(id, stop);
} catch (error) {
  if (!stop.aborted) process.exitCode = reportError(error, process.env);
}
if (stop.aborted) process.exitCode = exitCodeOf(stop.reason);
