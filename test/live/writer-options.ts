import type { OriginStore } from './key-space.ts';

/** How the application writes. */
export const WAYS = [
  /** Through the seam, with event ids. */
  'capture',
  /** Through the domain API. */
  'shim',
  /** Through ioredis' own commands, intercepted. */
  'intercept',
  /** Plain Cypher, captured by triggers. */
  'cypher',
] as const;
export type Way = (typeof WAYS)[number];

/** Each writer of a process has one of these; so they meet at the same keys. (One process at a time owns a dictionary.) */
export const WAYS_OF: { readonly [S in OriginStore]: readonly Way[] } = {
  dictionary: ['shim'],
  neo4j: ['capture', 'cypher'],
  redis: ['capture', 'intercept', 'shim'],
};

export interface WriterOptions {
  readonly configFile: string;
  readonly store: OriginStore;
  readonly ways: readonly Way[];
  readonly seed: number;
  /** The how-manieth life of this writer; the first is 1. */
  readonly incarnation: number;
  readonly historyFile: string;
  readonly ratePerSecond: number;
}
