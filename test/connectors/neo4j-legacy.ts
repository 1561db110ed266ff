import assert from 'node:assert/strict';
import { afterEach, beforeEach } from 'node:test';
import type { RejectedItem, SourceRow, Store } from '../../connectors/connector.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { type TestGraph, testGraph } from './neo4j-graph.ts';

export const KINDS: readonly Kind[] = ['agent', 'relationship', 'embedding'];

export interface Scanned<K extends Kind> {
  readonly rows: readonly SourceRow<K>[];
  readonly rejected: readonly RejectedItem[];
}

export async function scanAll<K extends Kind>(
  store: Store,
  kind: K,
  { limit = 3, range = WHOLE_RANGE }: { readonly limit?: number; readonly range?: ScanRange } = {},
): Promise<Scanned<K>> {
  const rows: SourceRow<K>[] = [];
  const rejected: RejectedItem[] = [];
  for await (const chunk of store.source.scan(kind, range, { limit })) {
    rows.push(...chunk.rows);
    rejected.push(...chunk.rejected);
  }
  return { rows, rejected };
}

export const keysOf = ({ rows }: Scanned<Kind>): readonly string[] => rows.map(({ key }) => key);

/** The reason that was given for the item whose place mentions `text`. */
export function reasonFor({ rejected }: Scanned<Kind>, text: string): string {
  const found = rejected.filter(({ where }) => where.includes(text));
  assert.equal(
    found.length,
    1,
    `${found.length} rejected items mention ${text}: ${JSON.stringify(rejected)}`,
  );
  return found[0]?.reason ?? '';
}

/** A graph that a legacy application wrote: nothing was prepared in it. */
export interface LegacyGraph {
  readonly graph: TestGraph;
  readonly store: Store;
  /** Runs with the test's labels in the place of :Agent and :Memory. */
  plant(text: string, parameters?: object): Promise<unknown>;
}

/** Gives each test of the suite a legacy graph of its own. */
export function legacyGraph(): () => LegacyGraph {
  let current: LegacyGraph | undefined;
  beforeEach(async () => {
    const graph = testGraph();
    const { agent, memory } = graph.labels;
    current = {
      graph,
      store: await graph.open('legacy', KINDS),
      plant: (text, parameters = {}) =>
        graph.run(text.replaceAll(':Agent', `:${agent}`).replaceAll(':Memory', `:${memory}`), parameters),
    };
  });
  afterEach(() => current?.graph.remove());
  return () => {
    assert.ok(current !== undefined);
    return current;
  };
}
