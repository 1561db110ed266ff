import assert from 'node:assert/strict';
import type { RejectedItem } from '../../connectors/connector.ts';
import type { LearningRow, LegacyAgent, MemoryRow } from '../../society/legacy-shapes.ts';
import type { Society } from '../../society/society.ts';

interface Rows {
  readonly agents?: readonly LegacyAgent[];
  readonly memories?: readonly MemoryRow[];
  readonly learning?: readonly LearningRow[];
}

/** A society of just these rows. */
export function societyOf({ agents = [], memories = [], learning = [] }: Rows): Society {
  return {
    expected: {},
    dictionaryFile: null,
    agents: () => walk(agents),
    memories: () => walk(memories),
    learning: () => walk(learning),
  };
}

export function agentOf(id: string, parts: Partial<Omit<LegacyAgent, 'id'>> = {}): LegacyAgent {
  const memory = { friends: [], relationships: {}, relation_types: {} };
  return { id, type: 'resident', active: true, attributes: {}, memory, ...parts };
}

/** For where nothing may be rejected. */
export function failOnRejected({ where, reason }: RejectedItem): void {
  assert.fail(`${where}: ${reason}`);
}

/** Texts and numbers that have broken somebody's store before. */
export const HARD_TEXTS: readonly string[] = [
  'a "quote" and a \'tick\'',
  'back`tick` and back\\slash',
  'line\nbreak\r\n\ttab',
  '👩🏽‍🚀 emoji',
  'שלום עولم',
  'pipe|colon:comma,brace{id}$&$1',
  'constructor',
  'x'.repeat(180),
];

export const HARD_NUMBERS: readonly number[] = [
  -0,
  0,
  5e-324,
  -5e-324,
  0.1 + 0.2,
  1.7976931348623157e308,
  -12.203459745724881,
  2 ** 53 - 1,
  1e21,
];

async function* walk<T>(rows: readonly T[]): AsyncGenerator<T> {
  yield* rows;
}
