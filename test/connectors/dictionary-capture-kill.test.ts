import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Drain, OutboxEntry } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { NEVER, observed, openedCapture } from './dictionary-capture-support.ts';
import type { Acknowledged } from './dictionary-capture-writer.ts';
import { agent, dictionaryFile, entities, legacyAgent } from './dictionary-support.ts';

const agent0 = agent('agent 0', { name: 'agent 0' });
const WRITER = fileURLToPath(new URL('dictionary-capture-writer.ts', import.meta.url));

interface Writer {
  readonly process: ChildProcess;
  readonly lines: string[];
}

function startWriter(t: TestContext, ...args: readonly string[]): Writer {
  const child = spawn(process.execPath, [WRITER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { process: child, lines };
}

async function printed({ lines, process: child }: Writer, count: number): Promise<void> {
  const DEADLINE_MS = 60_000;
  const start = performance.now();
  while (lines.length < count) {
    assert.ok(performance.now() - start < DEADLINE_MS, 'the writer prints nothing');
    assert.equal(child.exitCode, null);
    await delay(5);
  }
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = once(child, 'close');
  child.kill('SIGKILL');
  await gone;
}

/** Drains beside the writer, as a relay does: discards what the log has taken, and starts again where it has not. */
class Relay {
  readonly log: OutboxEntry[] = [];
  readonly #confirmed = new Set<string>();
  #rounds = 0;

  async run(drain: Drain, waitMs: number): Promise<number> {
    this.#rounds++;
    const { entries, unreadable } = await drain.next({ limit: 40, waitMs, signal: NEVER });
    assert.deepEqual(unreadable, []);
    for (const entry of entries) {
      assert.ok(!this.#confirmed.has(entry.id), `${entry.id} was discarded, and is answered again`);
    }
    // Every third time the log does not answer.
    if (this.#rounds % 3 === 0) {
      drain.restart();
      return entries.length;
    }
    for (const entry of entries) {
      this.log.push(entry);
      this.#confirmed.add(entry.id);
    }
    await drain.discard(entries.map(({ id }) => id));
    return entries.length;
  }
}

describe('an application that is killed', () => {
  for (const compactAfterEntries of ['100000', '10']) {
    it(`has lost nothing that it was told was written, and the outbox has each write once (compacting after ${compactAfterEntries})`, async (t) => {
      const file = dictionaryFile(t, { 'agent 0': legacyAgent('agent 0', { friends: ['agent 1'] }) });
      const setUp = await observed(t, file);
      await setUp.close();
      const beside = await openedCapture(t, file);
      const relay = new Relay();
      const acknowledged: Acknowledged[] = [];
      const ROUNDS = 6;
      for (let round = 1; round <= ROUNDS; round++) {
        const writer = startWriter(t, file, compactAfterEntries, String(round));
        await printed(writer, 1);
        const drain = await beside.capture.claim();
        assert.ok(drain !== undefined);
        while (writer.lines.length < 40 * round) await relay.run(drain, 20);
        await killed(writer.process);
        await drain.close();
        acknowledged.push(...writer.lines.map((line) => JSON.parse(line) as Acknowledged));
      }
      const owner = await observed(t, file);
      const drain = await owner.capture.claim();
      assert.ok(drain !== undefined);
      for (let idle = 0; idle < 4; ) idle = (await relay.run(drain, 0)) === 0 ? idle + 1 : 0;
      await drain.close();
      assertComplete(relay.log, acknowledged);
      assert.deepEqual(folded(relay.log), await contentOf(beside));
      assert.equal((await owner.capture.status()).entries, 0);
    });
  }

  it('beside a relay: gives its claim to the next when the relay is killed', async (t) => {
    const file = dictionaryFile(t, {});
    const dictionary = await observed(t, file);
    const script = `
      import { dictionaryConnector } from ${JSON.stringify(new URL('../../connectors/dictionary/connector.ts', import.meta.url).href)};
      import { openedCapture } from ${JSON.stringify(new URL('dictionary-capture-support.ts', import.meta.url).href)};
      const store = await openedCapture({ after() {} }, ${JSON.stringify(file)});
      const drain = await store.capture.claim();
      console.log(drain === undefined ? 'waits' : 'drains');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    assert.equal(line, 'drains');
    assert.equal(await dictionary.capture.claim(), undefined);
    await dictionary.set('a', {});
    await killed(child);
    const drain = await dictionary.capture.claim();
    assert.ok(drain !== undefined);
    assert.equal((await drain.next({ limit: 1, waitMs: 0, signal: NEVER })).entries.length, 1);
    await drain.close();
  });
});

/** None lost, none doubled, none invented, in order per key. */
function assertComplete(log: readonly OutboxEntry[], acknowledged: readonly Acknowledged[]): void {
  const byVersion = new Map(log.map(({ change }) => [change.version, change]));
  assert.equal(byVersion.size, log.length, 'no version is there twice');
  for (const { kind, key, version, after } of acknowledged) {
    const change = byVersion.get(version);
    assert.deepEqual([change?.kind, change?.key, change?.after], [kind, key, after]);
  }
  for (const [key, ofKey] of Map.groupBy(log, ({ change }) => `${change.kind} ${change.key}`)) {
    const versions = ofKey.map(({ change }) => change.version);
    assert.deepEqual(
      versions,
      [...versions].sort((left, right) => left - right),
      key,
    );
  }
}

/** What a follower holds that began with a backfill: the tie to an agent that was not there yet was no part of that. */
function folded(log: readonly OutboxEntry[]): ReadonlyMap<string, unknown> {
  const held = new Map<string, unknown>([['agent agent 0', agent0]]);
  for (const { change } of log) held.set(`${change.kind} ${change.key}`, change.after);
  return new Map([...held].filter(([, entity]) => entity !== null).sort());
}

async function contentOf(store: Store): Promise<ReadonlyMap<string, unknown>> {
  const all = new Map<string, unknown>();
  for (const kind of ['agent', 'relationship'] as const) {
    for (const entity of await entities(store, kind)) all.set(`${kind} ${keyOf<Kind>(kind, entity)}`, entity);
  }
  return new Map([...all].sort());
}
