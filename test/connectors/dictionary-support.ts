import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { z } from 'zod';
import type { RejectedItem, Role, SourceRow, Store } from '../../connectors/connector.ts';
import { dictionaryConnector } from '../../connectors/dictionary/connector.ts';
import type { dictionaryOptions } from '../../connectors/dictionary/options.ts';
import { systemClock } from '../../core/clock.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { EntityOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';

type Options = Partial<z.input<typeof dictionaryOptions>>;

export interface OpenOptions extends Options {
  readonly role?: Role;
  readonly logger?: Logger;
}

/** A folder that goes when the test ends, whatever stands in it then. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-test-dictionary-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A dictionary file with that content: text, or a value that becomes JSON. */
export function dictionaryFile(t: TestContext, content: unknown): string {
  const file = join(temporaryFolder(t), 'dictionary.json');
  const text =
    typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
  writeFileSync(file, text);
  return file;
}

export function openDictionary(
  file: string,
  { role = 'legacy', logger = silentLogger, ...options }: OpenOptions = {},
) {
  return dictionaryConnector.open(dictionaryConnector.options.parse({ ...options, file }), {
    name: `${role}.dictionary`,
    role,
    kinds: dictionaryConnector.kinds[role],
    logger,
    clock: systemClock,
  });
}

/** Opens a dictionary that is closed when the test ends. */
export async function opened(t: TestContext, file: string, options: OpenOptions = {}): Promise<Store> {
  const store = await openDictionary(file, options);
  t.after(() => store.close());
  return store;
}

interface Scanned<K extends Kind> {
  readonly rows: readonly SourceRow<K>[];
  readonly rejected: readonly RejectedItem[];
}

export async function scanned<K extends Kind>(
  store: Store,
  kind: K,
  limit = 100,
  range: ScanRange = WHOLE_RANGE,
): Promise<Scanned<K>> {
  const rows: SourceRow<K>[] = [];
  const rejected: RejectedItem[] = [];
  for await (const chunk of store.source.scan(kind, range, { limit })) {
    rows.push(...chunk.rows);
    rejected.push(...chunk.rejected);
  }
  return { rows, rejected };
}

export async function entities<K extends Kind>(store: Store, kind: K): Promise<readonly EntityOf[K][]> {
  return (await scanned(store, kind)).rows.map(({ entity }) => entity);
}

export function agent(id: string, attributes: EntityOf['agent']['attributes'] = {}): EntityOf['agent'] {
  return { id, type: 'citizen', active: true, attributes };
}

export function tie(
  source: string,
  target: string,
  more: Partial<EntityOf['relationship']> = {},
): EntityOf['relationship'] {
  return { source, target, type: 'KNOWS', strength: 50, since: null, properties: {}, ...more };
}

/** An agent as the legacy application writes it. */
export function legacyAgent(id: string, memory: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id,
    type: 'citizen',
    active: true,
    attributes: { name: id },
    memory: { friends: [], relationships: {}, relation_types: {}, ...memory },
  };
}
