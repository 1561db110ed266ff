import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openObservedDictionary } from '../../connectors/dictionary/observed/observed-dictionary.ts';
import { markdownTable, whole } from '../measure.ts';
import { quantile, rateOf, timeEach } from './latencies.ts';

const ROUNDS = 5;
const AGENTS = 3_500;
const CALLERS = [1, 16, 256, 1_024] as const;
const WRITES = 20_000;

const agentOf = (index: number) => ({
  id: `agent ${index % AGENTS}`,
  type: 'citizen',
  active: true,
  attributes: { name: `Name ${index}`, age: index % 90, occupation: 'baker', city: 'Springfield' },
  memory: { friends: [] },
});

/** Journaled writes a second by the number of writers, beside the rate of bare fsyncs of as many bytes. */
export async function benchDictionaryShim(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'changeover-bench-'));
  try {
    const dictionary = await openObservedDictionary(
      { file: join(folder, 'society.json'), create: true, outbox: { maxEntries: 100_000_000 } },
      { capture: { maxChangeBytes: 1_000_000, writer: 'bench' } },
    );
    const rows: (readonly (string | number)[])[] = [];
    for (const callers of CALLERS) {
      const each = Math.max(20, Math.floor(Math.min(WRITES, callers * 200) / callers));
      const rates: number[] = [];
      const raw: number[] = [];
      for (let round = 0; round <= ROUNDS; round++) {
        raw.push(await rawFsyncs(join(folder, 'raw'), callers, each));
        rates.push(
          await rateOf(callers, each, (index) => dictionary.set(`agent ${index % AGENTS}`, agentOf(index))),
        );
      }
      rows.push([whole(callers), whole(quantile(rates.slice(1), 0.5)), whole(quantile(raw.slice(1), 0.5))]);
    }
    const singles = await timeEach(500, (index) => dictionary.set(`agent ${index % AGENTS}`, agentOf(index)));
    await dictionary.close();
    const table = markdownTable(
      ['writers at once', 'writes a second', 'raw: one append and fdatasync for all of them'],
      rows,
    );
    return `${table}\n\nOne write at a time: p50 ${quantile(singles, 0.5).toFixed(2)} ms, p99 ${quantile(singles, 0.99).toFixed(2)} ms.`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The raw limit: the JSON of as many agents, appended and made durable once for all that write at once. */
async function rawFsyncs(path: string, callers: number, each: number): Promise<number> {
  const file = await open(path, 'w');
  try {
    const startedMs = performance.now();
    for (let turn = 0; turn < each; turn++) {
      const text = Array.from({ length: callers }, (_, caller) =>
        JSON.stringify(agentOf(turn * callers + caller)),
      );
      await file.write(text.join('\n'));
      await file.datasync();
    }
    return (callers * each) / ((performance.now() - startedMs) / 1000);
  } finally {
    await file.close();
  }
}
