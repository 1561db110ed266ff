/**
 * Runs the tests on the real servers, which it starts in a folder of its own and stops afterwards.
 *
 *   npm test                             everything
 *   npm test -- test/contract            only these folders or files
 *   CHANGEOVER_TEST_STACK=FILE npm test  on servers that run already (FILE: `changeover stack status --json`'s addresses)
 */
import { spawn } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { openStack } from '../stack/stack.ts';

const UNIT = ['test/core', 'test/schemas', 'test/consumers', 'test/producers', 'test/validate', 'test/cli'];
/** Needs no servers of the shared stack: it starts its own. */
const OWN_STACK = ['test/stack'];

function testFiles(places: readonly string[]): readonly string[] {
  return places.flatMap((place) => {
    const path = place.replace(/\/$/, '');
    return statSync(path).isDirectory() ? globSync(`${path}/**/*.test.ts`).sort() : [path];
  });
}

/** Of one file; a file that hangs fails, and the others go on. */
const FILE_TIMEOUT_MS = 10 * 60_000;

function runTests(files: readonly string[], addressesFile: string, concurrency: number): Promise<number> {
  const child = spawn(
    process.execPath,
    [
      '--test',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${FILE_TIMEOUT_MS}`,
      '--disable-warning=TimeoutNegativeWarning',
      ...files,
    ],
    {
      stdio: 'inherit',
      env: { ...process.env, CHANGEOVER_TEST_STACK: addressesFile },
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  return new Promise((done) => child.once('exit', (code) => done(code ?? 1)));
}

async function withStack(work: (addressesFile: string) => Promise<number>): Promise<number> {
  const given = process.env.CHANGEOVER_TEST_STACK;
  if (given !== undefined && given !== '') return work(resolve(given));
  mkdirSync('.changeover', { recursive: true });
  const dir = mkdtempSync(join('.changeover', 'test-'));
  const stack = await openStack({
    dir,
    onProgress: ({ service, message }) => console.error(`${service.padEnd(10)} ${message}`),
  });
  try {
    await stack.up();
    const addressesFile = join(stack.dir, 'addresses.json');
    writeFileSync(addressesFile, JSON.stringify(await stack.addresses()), { mode: 0o600 });
    return await work(addressesFile);
  } finally {
    await stack.reset();
  }
}

const asked = process.argv.slice(2);
const files = testFiles(asked.length === 0 ? ['test'] : asked);
if (files.length === 0) {
  console.error('There is no test there.');
  process.exitCode = 2;
} else {
  const needsStack = files.some(
    (file) => ![...UNIT, ...OWN_STACK].some((folder) => file.startsWith(`${folder}/`)),
  );
  const run = (addressesFile: string): Promise<number> =>
    runTests(files, addressesFile, Math.max(2, availableParallelism()));
  process.exitCode = needsStack ? await withStack(run) : await run('');
}
