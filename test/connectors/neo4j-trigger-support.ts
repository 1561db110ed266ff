import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Capture, OutboxEntry } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import type { OutboxOptions } from '../../connectors/outbox-options.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Held, join } from '../../schemas/version.ts';
import { plainState } from '../support/changes.ts';
import { type CapturedGraph, capturedGraph, drained } from './neo4j-capture-support.ts';

export interface TriggeredGraph extends CapturedGraph {
  readonly store: Store & { readonly capture: Capture };
  readonly capture: Capture;
  /** Runs as an application does, with the test's labels in the place of :Agent and :Memory. */
  write(text: string, parameters?: object): Promise<unknown>;
  /** What the outbox says, and nothing is left in it. */
  drained(): Promise<readonly OutboxEntry[]>;
}

export async function triggeredGraph(outbox: Partial<OutboxOptions> = {}): Promise<TriggeredGraph> {
  const place = capturedGraph('trigger', outbox);
  try {
    const store = await place.open();
    await store.prepare();
    await store.capture.install();
    return {
      ...place,
      store,
      capture: store.capture,
      write: (text, parameters = {}) => place.graph.run(withLabels(place, text), parameters),
      drained: () => drained(store.capture),
    };
  } catch (error) {
    await place.remove();
    throw error;
  }
}

export function withLabels({ graph }: CapturedGraph, text: string): string {
  const { agent, memory } = graph.labels;
  return text.replaceAll(':Agent', `:${agent}`).replaceAll(':Memory', `:${memory}`);
}

/** One graph for all tests of a suite (installing takes seconds); each test takes ids of its own. */
export function sharedTriggeredGraph(outbox: Partial<OutboxOptions> = {}): () => TriggeredGraph {
  let current: TriggeredGraph | undefined;
  before(async () => {
    current = await triggeredGraph(outbox);
  });
  after(() => current?.remove());
  return () => {
    assert.ok(current !== undefined);
    return current;
  };
}

/** What a follower holds of everything that the entries name. */
export type Followed = Map<string, { readonly kind: Kind; readonly key: string; held: Held<Kind> }>;

/** Folds entries as a follower does; versions of one key must increase. */
export function follow(entries: readonly OutboxEntry[], followed: Followed = new Map()): Followed {
  for (const { change } of entries) {
    const { kind, key, version } = change;
    const name = `${kind} ${key}`;
    const last = followed.get(name)?.held;
    assert.ok(version > (last?.version ?? 0), `${name}: version ${version} after ${last?.version}`);
    followed.set(name, { kind, key, held: join(last, { version, after: change.after }) });
  }
  return followed;
}

/**
 * The store itself must hold what its follower holds. Where one of several relationships of a key was deleted, the other keeps
 * its own version, which is older ('no newer').
 */
export async function assertFollowed(
  store: Store,
  followed: Followed,
  versions: 'the same' | 'no newer' = 'the same',
): Promise<void> {
  for (const kind of store.source.kinds) {
    const ofKind = [...followed.values()].filter((each) => each.kind === kind);
    const all = await store.source.get(
      kind,
      ofKind.map(({ key }) => key),
    );
    for (const [index, each] of ofKind.entries()) {
      const held = all[index] as Held<Kind> | undefined;
      const version = held?.version ?? 0;
      assert.ok(
        version <= (each.held.version ?? 0),
        `${kind} ${each.key}: ${version} is newer than its entry`,
      );
      const compared =
        versions === 'the same' || held === undefined ? held : { ...held, version: each.held.version };
      assert.deepEqual(plainState(compared), plainState(each.held), `${kind} ${each.key}`);
    }
  }
}
