import assert from 'node:assert/strict';
import type { Capture, CaptureSettings, OutboxBatch, OutboxEntry } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import { neo4jConnector } from '../../connectors/neo4j/connector.ts';
import type { OutboxOptions } from '../../connectors/outbox-options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { CAPTURE_TEST_SETTINGS } from '../contract/capture.ts';
import { type TestGraph, testGraph } from './neo4j-graph.ts';

export interface CapturedGraph {
  readonly graph: TestGraph;
  open(changes?: object, settings?: Partial<CaptureSettings>): Promise<Store & { readonly capture: Capture }>;
  /** Ends capture, whatever its state, and removes everything. */
  remove(): Promise<void>;
}

/** A legacy graph of a test's own, opened so that its writes can be captured. */
export function capturedGraph(
  mode: 'trigger' | 'writer',
  outbox: Partial<OutboxOptions> = {},
  kinds: readonly Kind[] = neo4jConnector.kinds.legacy,
): CapturedGraph {
  const graph = testGraph();
  const opened: Store[] = [];
  return {
    graph,
    async open(changes = {}, settings = {}) {
      const store = await neo4jConnector.open(graph.options({ capture: mode, outbox, ...changes }), {
        name: 'legacy.neo4j',
        role: 'legacy',
        kinds,
        logger: silentLogger,
        clock: systemClock,
        capture: { ...CAPTURE_TEST_SETTINGS, ...settings },
      });
      opened.push(store);
      assert.ok(store.capture);
      return { ...store, capture: store.capture };
    },
    async remove() {
      for (const store of opened) await store.close();
      await dropTriggers(graph);
      await graph.remove();
    },
  };
}

async function dropTriggers({ driver, labels, options }: TestGraph): Promise<void> {
  const { database } = options();
  const system = { database: 'system' };
  const { records } = await driver.executeQuery('CALL apoc.trigger.show($database)', { database }, system);
  for (const name of records.map((row): string => row.get('name'))) {
    if (!name.includes(labels.agent)) continue;
    await driver.executeQuery('CALL apoc.trigger.drop($database, $name)', { database, name }, system);
  }
}

const SOON = new AbortController().signal;

/** Everything that is in the outbox, oldest first; it is discarded. */
export async function drainedBatch(capture: Capture): Promise<OutboxBatch> {
  const drain = await capture.claim();
  assert.ok(drain, 'nobody else drains');
  const entries: OutboxEntry[] = [];
  const unreadable: OutboxBatch['unreadable'][number][] = [];
  try {
    for (;;) {
      const batch = await drain.next({ limit: 500, waitMs: 0, signal: SOON });
      const ids = [...batch.entries, ...batch.unreadable].map(({ id }) => id);
      if (ids.length === 0) return { entries, unreadable };
      entries.push(...batch.entries);
      unreadable.push(...batch.unreadable);
      await drain.discard(ids);
    }
  } finally {
    await drain.close();
  }
}

export async function drained(capture: Capture): Promise<readonly OutboxEntry[]> {
  const { entries, unreadable } = await drainedBatch(capture);
  assert.deepEqual(unreadable, []);
  return entries;
}

/** One line each: what was done to which key. */
export const said = (entries: readonly OutboxEntry[]): readonly string[] =>
  entries.map(({ change }) => `${change.op} ${change.kind} ${change.key}`);
