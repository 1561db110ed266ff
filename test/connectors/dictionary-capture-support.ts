import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Capture, EntityWrite, OutboxEntry } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import { dictionaryConnector } from '../../connectors/dictionary/connector.ts';
import {
  type ObservedDictionary,
  openObservedDictionary,
} from '../../connectors/dictionary/observed/observed-dictionary.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';

export const CAPTURE = { maxChangeBytes: 100_000, writer: 'test' } as const;
export const NEVER = new AbortController().signal;

type Options = Partial<Parameters<typeof openObservedDictionary>[0]>;

interface More {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** A legacy dictionary whose capture is installed; closed when the test ends. */
export async function openedCapture(
  t: TestContext,
  file: string,
  options: Options = {},
  { clock = systemClock, logger = silentLogger }: More = {},
): Promise<Store & { readonly capture: Capture }> {
  const store = await dictionaryConnector.open(dictionaryConnector.options.parse({ ...options, file }), {
    name: 'legacy.dictionary',
    role: 'legacy',
    kinds: dictionaryConnector.kinds.legacy,
    logger,
    clock,
    capture: CAPTURE,
  });
  t.after(() => store.close());
  const { capture } = store;
  assert.ok(capture !== undefined);
  await capture.install();
  return { ...store, capture };
}

export async function observed(
  t: TestContext,
  file: string,
  options: Options = {},
  more: More = {},
): Promise<ObservedDictionary> {
  const dictionary = await openObservedDictionary({ ...options, file }, { capture: CAPTURE, ...more });
  t.after(() => dictionary.close());
  return dictionary;
}

/** Everything in the outbox, oldest first. It stays there unless it is to be discarded. */
export async function outboxOf(
  capture: Capture,
  { discard = false }: { readonly discard?: boolean } = {},
): Promise<readonly OutboxEntry[]> {
  const drain = await capture.claim();
  assert.ok(drain !== undefined, 'somebody else drains it');
  const all: OutboxEntry[] = [];
  try {
    for (;;) {
      const { entries, unreadable } = await drain.next({ limit: 50, waitMs: 0, signal: NEVER });
      assert.deepEqual(unreadable, []);
      if (entries.length === 0) break;
      all.push(...entries);
    }
    if (discard) await drain.discard(all.map(({ id }) => id));
  } finally {
    await drain.close();
  }
  return all;
}

/** What an entry says, in short. */
export function said({ change }: OutboxEntry): string {
  return `${change.op} ${change.key}`;
}

export function agentWrite(entity: EntityOf['agent'], eventId?: string): EntityWrite {
  return { kind: 'agent', key: entity.id, entity, ...(eventId === undefined ? {} : { eventId }) };
}

export function agentRemoval(id: string): EntityWrite {
  return { kind: 'agent', key: id, entity: null };
}

export function tieWrite(entity: EntityOf['relationship']): EntityWrite {
  return { kind: 'relationship', key: keyOf('relationship', entity), entity };
}

/** A clock that can be set. */
export function settableClock(): Clock & { offsetUs: number } {
  const clock = { ...systemClock, offsetUs: 0, nowUs: () => systemClock.nowUs() + clock.offsetUs };
  return clock;
}
