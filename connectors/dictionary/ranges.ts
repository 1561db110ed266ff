import { compareCodePoints } from '../../core/text.ts';
import { rangesBetween, type ScanRange } from '../../schemas/scan-order.ts';
import type { AgentIndex } from './agent-index.ts';
import type { DictionaryKind } from './kinds.ts';
import type { Snapshot } from './snapshot.ts';

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
export function divide(
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
