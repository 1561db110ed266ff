import type { BenchStack } from '../bench-stack.ts';

export interface SinkBenchOptions {
  readonly addresses: BenchStack;
  /** Rows of 200 bytes, nodes and relationships. */
  readonly rows: number;
  /** Embeddings of each dimension. */
  readonly vectors: number;
}
