import type { ChangeOf } from '../../schemas/change.ts';

const SPACE = { model: 'bench', revision: '1', metric: 'cosine', normalised: false } as const;
const FIRST_VERSION = 1_700_000_000_000_000;
/** Vectors that are handed out in turn: to make each anew would be a good part of what is measured. */
const VECTORS = 64;

export type EmbeddingChange = ChangeOf<'embedding'>;

/** Makes changes on the fly; the same ids in each round, each round newer than the one before. */
export function embeddingChanges(dimension: number): (index: number, round: number) => EmbeddingChange {
  const vectors = Array.from({ length: VECTORS }, (_, seed) => vectorOf(seed, dimension));
  return (index, round) => {
    const id = `memory-${String(index).padStart(8, '0')}`;
    const vector = vectors[(index * 7 + round) % VECTORS] ?? new Uint8Array();
    const metadata = { text: 'something that was said at the market', importance: index % 10 };
    const version = FIRST_VERSION + round * 1_000_000_000 + index;
    return {
      kind: 'embedding',
      key: id,
      op: 'u',
      version,
      before: null,
      after: { id, agentId: `agent-${index % 1_000}`, vector, dimension, space: SPACE, metadata },
      origin: { path: 'shim', store: 'bench', writer: 'bench' },
      eventId: id,
      capturedAt: version,
    };
  };
}

function vectorOf(seed: number, dimension: number): Uint8Array {
  const floats = Float32Array.from({ length: dimension }, (_, place) => Math.sin((seed + 1) * (place + 1.5)));
  return new Uint8Array(floats.buffer);
}
