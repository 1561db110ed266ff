import type {
  Agent,
  AgentChange,
  Embedding,
  EmbeddingChange,
  Experience,
  ExperienceChange,
  Op,
  Origin,
  Policy,
  PolicyChange,
  QValue,
  QValueChange,
  Relationship,
  RelationshipChange,
} from './generated.ts';
import type { Kind } from './kinds.ts';

export type {
  Agent,
  Embedding,
  Experience,
  Metric,
  Op,
  Origin,
  Path,
  Policy,
  QValue,
  Relationship,
  Space,
} from './generated.ts';

/** The entity of each kind. */
export interface EntityOf {
  agent: Agent;
  relationship: Relationship;
  embedding: Embedding;
  experience: Experience;
  'q-value': QValue;
  policy: Policy;
}

/** The record of each kind as it stands in the topic. */
export interface WireChangeOf {
  agent: AgentChange;
  relationship: RelationshipChange;
  embedding: EmbeddingChange;
  experience: ExperienceChange;
  'q-value': QValueChange;
  policy: PolicyChange;
}

/** A value of an attribute, property, parameter or metadata field. Numbers are finite doubles. */
export type Scalar = string | number | boolean;
export type Scalars = Readonly<Record<string, Scalar>>;

/**
 * One statement: "as of `version`, the state of this entity is `after`". Whole states, never increments, so that
 * saying it twice is harmless and the newest statement alone is enough.
 */
export interface ChangeOf<K extends Kind> {
  readonly kind: K;
  /** The Kafka record key; follows from the entity (keys.ts). */
  readonly key: string;
  readonly op: Op;
  /** A safe, positive integer (version.ts). */
  readonly version: number;
  /** The state before, where the origin could read it in the writing transaction. */
  readonly before: EntityOf[K] | null;
  /** The state now; null exactly when `op` is `d`. */
  readonly after: EntityOf[K] | null;
  readonly origin: Origin;
  /** Unique; for tracing, never for ordering. */
  readonly eventId: string;
  /** Microseconds since 1970. */
  readonly capturedAt: number;
}

export type Change = { [K in Kind]: ChangeOf<K> }[Kind];
export type Entity = EntityOf[Kind];
