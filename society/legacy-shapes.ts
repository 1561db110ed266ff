import type { Scalar } from '../schemas/change.ts';

/** What the legacy application writes: the shapes of its dictionary, its memory rows and its RL rows. */

/** An agent as the legacy dictionary holds it under its id. */
export interface LegacyAgent {
  readonly id: string;
  readonly type: string;
  readonly active: boolean;
  readonly attributes: Readonly<Record<string, Scalar | null>>;
  readonly memory: LegacyMemory;
}

/** A friendship stands on one side only and is directed from that side. */
export interface LegacyMemory {
  readonly friends: readonly string[];
  /** Friend to strength, 0 to 100; a friend without an entry has `DEFAULT_STRENGTH`. */
  readonly relationships: Readonly<Record<string, number>>;
  /** Friend to type of relationship; a friend without an entry has `DEFAULT_TYPE`. */
  readonly relation_types: Readonly<Record<string, string>>;
}

/** What an agent is that the legacy application says nothing of; such a one is also active. */
export const DEFAULT_AGENT_TYPE = 'agent';
export const DEFAULT_STRENGTH = 50;
export const DEFAULT_TYPE = 'KNOWS';

/** Something an agent remembers. */
export interface MemoryRow {
  readonly id: string;
  readonly agentId: string;
  readonly text: string;
  readonly model: string;
  /** In a file: base64 of these float32, little-endian. */
  readonly vector: Float32Array;
}

export interface ExperienceRow {
  readonly kind: 'experience';
  readonly id: string;
  readonly agentId: string;
  readonly state: string;
  readonly action: number;
  readonly reward: number;
  readonly nextState: string;
  readonly done: boolean;
  readonly episode: number;
  readonly step: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface QValueRow {
  readonly kind: 'q-value';
  readonly agentId: string;
  readonly state: string;
  readonly action: number;
  readonly value: number;
  readonly visits: number;
}

export interface PolicyRow {
  readonly kind: 'policy';
  readonly agentId: string;
  readonly algorithm: string;
  readonly environment: string | null;
  readonly parameters: Readonly<Record<string, Scalar>>;
  /** State to action. */
  readonly actions: Readonly<Record<string, number>>;
}

export type LearningRow = ExperienceRow | QValueRow | PolicyRow;

export interface Tie {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly strength: number;
}

/** The relationships that an agent's memory stands for, with the defaults filled in. */
export function* tiesOf(agent: LegacyAgent): Generator<Tie> {
  const { friends, relationships, relation_types: types } = agent.memory;
  for (const target of friends) {
    yield {
      source: agent.id,
      target,
      type: ownEntry(types, target) ?? DEFAULT_TYPE,
      strength: ownEntry(relationships, target) ?? DEFAULT_STRENGTH,
    };
  }
}

/** Ids come from outside: one that is called `constructor` must not find what every object inherits. */
export function ownEntry<T>(entries: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}
