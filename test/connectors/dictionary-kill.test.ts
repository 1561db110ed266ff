import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { EntityOf } from '../../schemas/change.ts';
import { type Held, join } from '../../schemas/version.ts';
import { upsert } from '../support/changes.ts';
import { batchOf } from './dictionary-batches.ts';
import { agent, dictionaryFile, entities, openDictionary, opened } from './dictionary-support.ts';

const WRITER = fileURLToPath(new URL('dictionary-writer.ts', import.meta.url));

interface Writer {
  readonly process: ChildProcess;
  /** What it has printed. */
  readonly lines: string[];
}

function startWriter(t: TestContext, ...args: string[]): Writer {
  const child = spawn(process.execPath, [WRITER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { process: child, lines };
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = once(child, 'close');
  child.kill('SIGKILL');
  await gone;
}

async function printed({ lines }: Writer, count: number): Promise<void> {
  const DEADLINE_MS = 60_000;
  const start = performance.now();
  while (lines.length < count) {
    assert.ok(performance.now() - start < DEADLINE_MS, 'the writer prints nothing');
    await delay(5);
  }
}

/** What the batches up to a version leave. */
function expectedAfter(version: number): ReadonlyMap<string, Held<'agent'>> {
  const held = new Map<string, Held<'agent'>>();
  for (let at = 1; at <= version; at++) {
    for (const change of batchOf(at)) {
      const statement = change as { version: number; after: EntityOf['agent'] | null };
      held.set(change.key, join<'agent'>(held.get(change.key), statement));
    }
  }
  return held;
}

/**
 * Everything that was acknowledged is there, and nothing else: of the batch behind it, of which nobody was told, each
 * change may have become durable or not.
 */
async function assertHolds(file: string, acknowledged: number): Promise<void> {
  const certain = expectedAfter(acknowledged);
  const possible = expectedAfter(acknowledged + 1);
  const store = await openDictionary(file, { compactOnClose: false });
  try {
    for (const kind of ['agent', 'relationship'] as const) {
      const keys = [...possible.keys()].filter((key) => key.startsWith('[') === (kind === 'relationship'));
      for (const [at, held] of (await store.source.get(kind, keys)).entries()) {
        const key = keys[at] ?? '';
        const unacknowledged = held?.version === acknowledged + 1;
        assert.deepEqual(
          held,
          (unacknowledged ? possible : certain).get(key),
          `${key} after ${acknowledged}`,
        );
      }
    }
  } finally {
    await store.close();
  }
}

describe('a writer that is killed', () => {
  for (const compactAfterEntries of ['100000', '8']) {
    it(`loses nothing that it acknowledged (compacting after ${compactAfterEntries})`, async (t) => {
      const file = dictionaryFile(t, {});
      const ROUNDS = 8;
      let next = 1;
      for (let round = 0; round < ROUNDS; round++) {
        const writer = startWriter(t, file, compactAfterEntries, String(next));
        await printed(writer, 5 + round * 3);
        await killed(writer.process);
        const acknowledged = Number(writer.lines.at(-1));
        await assertHolds(file, acknowledged);
        next = acknowledged + 1;
      }
    });
  }

  it('hands the dictionary over: its lock holds nobody back', async (t) => {
    const file = dictionaryFile(t, {});
    const writer = startWriter(t, file);
    await printed(writer, 1);
    const store = await opened(t, file);
    await assert.rejects(store.sink.apply([upsert('agent', agent('mine'), 2)]), {
      code: 'conflict',
      message: new RegExp(`being written by process ${writer.process.pid} on `),
    });
    assert.deepEqual(
      (await entities(store, 'agent')).map(({ id }) => id),
      ['held'],
      'reading needs no lock',
    );
    const holder = (await store.probe.check()).find(({ check }) => check === 'owner');
    assert.match(holder?.detail ?? '', new RegExp(`process ${writer.process.pid} .*alive`));
    await killed(writer.process);
    await store.sink.apply([upsert('agent', agent('mine'), 2)]);
    assert.deepEqual(
      (await entities(store, 'agent')).map(({ id }) => id),
      ['held', 'mine'],
    );
  });
});
