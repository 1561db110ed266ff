import { ChangeoverError } from '../../core/errors.ts';
import { chunked, groupBy } from '../../core/sequence.ts';
import { compareCodePoints } from '../../core/text.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { rangesBetween, type ScanRange } from '../../schemas/scan-order.ts';
import type { Held } from '../../schemas/version.ts';
import type { ScanChunk, ScanOptions, Source } from '../connector.ts';
import type { DictionaryClient } from './client.ts';
import { type DictionaryKind, isDictionaryKind } from './dictionary-kinds.ts';
import type { AgentIndex } from './read/agent-index.ts';
import { agentOf, tiesOf } from './read/group-rows.ts';
import { groupsOfIds } from './read/groups.ts';
import { tieKey } from './read/overlay.ts';
import { countRows, scanSnapshot } from './read/scan.ts';
import type { Snapshot } from './read/snapshot.ts';

export function dictionarySource(client: DictionaryClient, kinds: readonly Kind[]): Source {
  const countTies = rememberingCounts();
  return {
    kinds,
    close: async () => {},
    count: (kind) =>
      client.withSnapshot((snapshot) =>
        held(kind) === 'agent' ? countAgents(snapshot) : countTies(snapshot),
      ),
    ranges: (kind, parts) =>
      client.withSnapshot(async (snapshot) => divide(snapshot, await snapshot.index(), held(kind), parts)),
    scan: <K extends Kind>(kind: K, range: ScanRange, options: ScanOptions) =>
      scan(client, held(kind), range, options) as AsyncGenerator<ScanChunk<K>>,
    get: <K extends Kind>(kind: K, keys: readonly string[]) =>
      client.withSnapshot((snapshot) => GETTERS[held(kind)](snapshot, keys)) as Promise<
        readonly (Held<K> | undefined)[]
      >,
  };
}

function held(kind: Kind): DictionaryKind {
  if (isDictionaryKind(kind)) return kind;
  throw new ChangeoverError('usage', `A dictionary holds no ${kind}.`);
}

async function* scan(
  client: DictionaryClient,
  kind: DictionaryKind,
  range: ScanRange,
  options: ScanOptions,
): AsyncGenerator<ScanChunk<DictionaryKind>> {
  const snapshot = await client.acquire();
  try {
    yield* scanSnapshot(snapshot, { ...options, kind, range });
  } finally {
    await snapshot.release();
  }
}

/** Exact but for members that are no agents, which count as agents until they are looked at. */
async function countAgents(snapshot: Snapshot): Promise<number> {
  const { ids } = await snapshot.index();
  let count = ids.size;
  for (const [id, { entity }] of snapshot.overlay.agents) {
    if (ids.has(id) !== (entity !== null)) count += entity === null ? -1 : 1;
  }
  return count;
}

/** How many ties there are only a walk through all of them can tell; it is walked anew only after a change. */
function rememberingCounts(): (snapshot: Snapshot) => Promise<number> {
  const remembered = new WeakMap<Snapshot, { readonly revision: number; readonly count: number }>();
  return async (snapshot) => {
    const { revision } = snapshot.overlay;
    const known = remembered.get(snapshot);
    if (known?.revision === revision) return known.count;
    const count = await countRows(snapshot, 'relationship');
    remembered.set(snapshot, { revision, count });
    return count;
  };
}

type Getter = (snapshot: Snapshot, keys: readonly string[]) => Promise<readonly (Held<Kind> | undefined)[]>;

const GETTERS: Readonly<Record<DictionaryKind, Getter>> = {
  agent: async (snapshot, keys) => {
    const found = new Map<string, Held<'agent'> | undefined>();
    for await (const group of groupsFor(snapshot, 'agent', keys))
      found.set(group.id, agentOf(snapshot, group).held);
    return keys.map((key) => found.get(key));
  },
  relationship: async (snapshot, keys) => {
    const index = await snapshot.index();
    const identities = keys.map((key) => ({ key, ...parseKey('relationship', key) }));
    const bySource = groupBy(identities, ({ source }) => source);
    const found = new Map<string, Held<'relationship'> | undefined>();
    for await (const group of groupsFor(snapshot, 'relationship', [...bySource.keys()])) {
      const ties = tiesOf(snapshot, index, group).held;
      for (const identity of bySource.get(group.id) ?? [])
        found.set(identity.key, ties.get(tieKey(identity)));
    }
    return keys.map((key) => found.get(key));
  },
};

const GROUPS_AT_ONCE = 64;

async function* groupsFor(snapshot: Snapshot, kind: DictionaryKind, ids: readonly string[]) {
  const index = await snapshot.index();
  // The empty id is where the index keeps what has none.
  const wanted = [...new Set(ids)].filter((id) => id !== '').sort(compareCodePoints);
  for (const some of chunked(wanted, GROUPS_AT_ONCE))
    yield* await groupsOfIds({ snapshot, index, kind }, some);
}

interface Weighed {
  readonly id: string;
  readonly weight: number;
}

/** About as much of an agent's JSON as one tie takes up. */
const BYTES_A_TIE = 100;

/**
 * Ranges of about equal size, cut between agents: by their number for agents, by the length of their JSON for ties,
 * because that follows from how many each has.
 */
function divide(
  snapshot: Snapshot,
  index: AgentIndex,
  kind: DictionaryKind,
  parts: number,
): readonly ScanRange[] {
  const weights = [...baseWeights(index, kind), ...overlayWeights(snapshot, kind)].sort((left, right) =>
    compareCodePoints(left.id, right.id),
  );
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  const boundaries: string[] = [];
  let before = 0;
  for (const { id, weight } of weights) {
    const last = boundaries.at(-1) ?? '';
    if (before >= (total * (boundaries.length + 1)) / parts && id !== last) boundaries.push(id);
    before += weight;
  }
  return rangesBetween(boundaries.slice(0, Math.max(0, parts - 1)).map((id) => [id]));
}

/** Each stands for the stretch up to the next one. */
function* baseWeights({ marks, ids, bytes }: AgentIndex, kind: DictionaryKind): Generator<Weighed> {
  for (const [at, { id, agentsBefore, bytesBefore }] of marks.entries()) {
    const next = marks[at + 1] ?? { agentsBefore: ids.size, bytesBefore: bytes };
    const weight = kind === 'agent' ? next.agentsBefore - agentsBefore : next.bytesBefore - bytesBefore;
    yield { id, weight };
  }
}

function* overlayWeights({ overlay }: Snapshot, kind: DictionaryKind): Generator<Weighed> {
  for (const id of overlay.idsInOrder(kind)) {
    yield { id, weight: kind === 'agent' ? 1 : (overlay.ties.get(id)?.size ?? 0) * BYTES_A_TIE };
  }
}
