import type { LearningRow, LegacyAgent, MemoryRow } from './legacy-shapes.ts';

/** How many of each there are, in the words of the kinds that they become. */
export interface SocietyCounts {
  readonly agents: number;
  readonly relationships: number;
  readonly embeddings: number;
  readonly experiences: number;
  readonly qValues: number;
  readonly policies: number;
}

/**
 * A population in the legacy shapes, made or read, that the loaders put into the legacy stores.
 *
 * Each call walks the whole population from its start and gives the same rows in the same order; nothing is held but
 * the row at hand, so a walk can be as long as it likes. Relationships are in the agents (legacy-shapes.ts, `tiesOf`).
 */
export interface Society {
  agents(): AsyncIterable<LegacyAgent>;
  memories(): AsyncIterable<MemoryRow>;
  learning(): AsyncIterable<LearningRow>;
  /** What is known before anything is walked, for progress and plans. */
  readonly expected: Partial<SocietyCounts>;
  /** The file that the agents are read from, or null when there is none. */
  readonly dictionaryFile: string | null;
}
