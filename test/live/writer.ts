/**
 * A process that is an application: it opens one legacy store with capture, and lets several writers at once write to
 * keys that belong to none of them. What it asks for and what it is told goes to its history.
 *
 *     node writer.ts <options as JSON>
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Neo4jError } from 'neo4j-driver';
import type { EntityWrite } from '../../connectors/capture.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { below, randomFor, unit } from '../../society/generator/random.ts';
import { canonical } from './canonical.ts';
import { monotoneMs, openHistory, readHistory, writesOf } from './history.ts';
import { type Ask, nextAsk, openBeliefs, TAKES_EVENT_IDS } from './next-write.ts';
import type { StoreWriter } from './store-writer.ts';
import { openStoreWriter } from './store-writers.ts';
import type { Way, WriterOptions } from './writer-options.ts';

const WRITERS = 8;
/** A store that refuses for so long has a fault that is worth an end with an error. */
const REFUSES_FOR_MS = 600_000;

const options = JSON.parse(process.argv[2] ?? '{}') as WriterOptions;
const stopped = new AbortController();
process.once('SIGTERM', () => stopped.abort());

const before = writesOf(readHistory(options.historyFile));
const record = openHistory(options.historyFile);
const random = randomFor(options.seed, 'tie', options.incarnation);
const beliefs = openBeliefs(options, before);
let failingSinceMs: number | undefined;

const stores: StoreWriter[] = [];
for (const way of options.ways) stores.push(await opened(way));
for (const store of stores) if (TAKES_EVENT_IDS.includes(store.way)) await askAgain(store);
await Promise.all(
  Array.from({ length: WRITERS }, (_, writer) => write(stores[writer % stores.length] as StoreWriter)),
);
for (const store of stores) await store.close();

/** An application waits for its server. */
async function opened(way: Way): Promise<StoreWriter> {
  const untilMs = monotoneMs() + REFUSES_FOR_MS;
  for (;;) {
    try {
      return await openStoreWriter(way, options);
    } catch (error) {
      const mayPass = error instanceof Neo4jError || (error instanceof ChangeoverError && error.retryable);
      if (!mayPass || stopped.signal.aborted || monotoneMs() > untilMs) throw error;
      await sleep(500);
    }
  }
}

/** What the incarnation before asked for and heard no answer of, asked with the same event id: done once in all. */
async function askAgain(writer: StoreWriter): Promise<void> {
  const open = before.filter(
    ({ acknowledgedAt, eventId, rejected }) => acknowledgedAt === null && eventId !== null && !rejected,
  );
  for (const { kind, key, token, content, eventId } of open.slice(-WRITERS)) {
    const ask = beliefs.repeated(kind, key, token, content === null);
    if (ask !== undefined) await perform(writer, [{ ...ask, eventId }]);
  }
}

async function write(writer: StoreWriter): Promise<void> {
  const pauseMs = (1_000 * WRITERS) / options.ratePerSecond;
  while (!stopped.signal.aborted) {
    const batch = unit(random) < 0.15 ? 3 : 1;
    const asks = Array.from({ length: batch }, () => nextAsk(options.store, writer.way, beliefs, random));
    await perform(writer, distinct(asks));
    await sleep(below(random, Math.ceil(2 * pauseMs * batch)), undefined, { signal: stopped.signal }).catch(
      () => {},
    );
  }
}

function distinct(asks: readonly Ask[]): readonly Ask[] {
  return [...new Map(asks.map((ask) => [`${ask.kind} ${ask.key}`, ask])).values()];
}

async function perform(writer: StoreWriter, asks: readonly Ask[]): Promise<void> {
  for (const { kind, key, token, entity, eventId } of asks) {
    const content = entity === null ? null : canonical(entity);
    record({ event: 'asked', kind, key, token, content, eventId, at: monotoneMs() });
  }
  try {
    const results = await writer.write(asks.map(writeOf));
    const at = monotoneMs();
    for (const [index, { kind, token, key, entity }] of asks.entries()) {
      const result = results[index];
      if (result === undefined) throw new Error('There is no result for every write.');
      if (result.status === 'rejected') {
        record({ event: 'rejected', kind, token, version: null, detail: result.reason, at });
      } else {
        record({ event: 'acknowledged', kind, token, version: result.version, at });
        beliefs.note(kind, key, entity !== null);
      }
    }
    failingSinceMs = undefined;
  } catch (error) {
    const at = monotoneMs();
    for (const { kind, token } of asks)
      record({ event: 'failed', kind, token, version: null, detail: messageOf(error), at });
    failingSinceMs ??= at;
    if (at - failingSinceMs > REFUSES_FOR_MS) throw error;
    await sleep(100);
  }
}

function writeOf({ kind, key, entity, eventId }: Ask): EntityWrite {
  return { kind, key, entity, ...(eventId !== null && { eventId }) } as EntityWrite;
}
