// Written by scripts/generate-types.ts from the .avsc files. Do not edit: npm run generate

export type Op = 'c' | 'u' | 'd' | 'r';

/** A member of the society. */
export interface Agent {
  readonly id: string;
  readonly type: string;
  readonly active: boolean;
  /** name, age, occupation, gender, …; an absent attribute and a null one are the same */
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

export type Path = 'shim' | 'backfill' | 'ingest' | 'repair' | 'restore';

/** Who said it. */
export interface Origin {
  readonly path: Path;
  /** the store that the state was read from or written to, as the configuration names it */
  readonly store: string;
  /** the process or run that captured it */
  readonly writer: string;
}

/** One change of one agent. Topic <prefix>.agents, key: the agent's id. */
export interface AgentChange {
  /** create, update, delete, read by a backfill */
  readonly op: Op;
  /** the state before, where the origin could read it in the writing transaction */
  readonly before: null | Agent;
  /** the state now; null for a delete */
  readonly after: null | Agent;
  /** microseconds of the origin's hybrid clock, or the generation of a backfill */
  readonly version: number;
  /** unique, for tracing */
  readonly event_id: string;
  readonly origin: Origin;
  /** when it was captured */
  readonly ts_us: number;
}

/** A directed tie between two agents. */
export interface Relationship {
  /** id of the agent that it starts from */
  readonly source: string;
  /** id of the agent that it leads to */
  readonly target: string;
  readonly type: string;
  /** 0 to 100 */
  readonly strength: number;
  readonly since: null | number;
  readonly properties: Readonly<Record<string, string | number | boolean>>;
}

/** One change of one relationship. Topic <prefix>.relationships, key: JSON array [source, type, target]. */
export interface RelationshipChange {
  /** create, update, delete, read by a backfill */
  readonly op: Op;
  /** the state before, where the origin could read it in the writing transaction */
  readonly before: null | Relationship;
  /** the state now; null for a delete */
  readonly after: null | Relationship;
  /** microseconds of the origin's hybrid clock, or the generation of a backfill */
  readonly version: number;
  /** unique, for tracing */
  readonly event_id: string;
  readonly origin: Origin;
  /** when it was captured */
  readonly ts_us: number;
}

export type Metric = 'cosine' | 'l2' | 'ip';

/** What makes two vectors comparable. */
export interface Space {
  readonly model: string;
  readonly revision: string;
  readonly metric: Metric;
  readonly normalised: boolean;
}

/** A vector that stands for something an agent remembers. */
export interface Embedding {
  readonly id: string;
  readonly agentId: string;
  /** float32, little-endian */
  readonly vector: Uint8Array;
  readonly dimension: number;
  readonly space: Space;
  /** text and whatever else belongs to it */
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
}

/** One change of one embedding. Topic <prefix>.embeddings, key: the embedding's id. */
export interface EmbeddingChange {
  /** create, update, delete, read by a backfill */
  readonly op: Op;
  /** the state before, where the origin could read it in the writing transaction */
  readonly before: null | Embedding;
  /** the state now; null for a delete */
  readonly after: null | Embedding;
  /** microseconds of the origin's hybrid clock, or the generation of a backfill */
  readonly version: number;
  /** unique, for tracing */
  readonly event_id: string;
  readonly origin: Origin;
  /** when it was captured */
  readonly ts_us: number;
}

/** One step that an agent took; never changes once written. */
export interface Experience {
  readonly id: string;
  readonly agentId: string;
  readonly episode: number;
  readonly step: number;
  readonly state: string;
  readonly action: number;
  readonly reward: number;
  readonly nextState: string;
  readonly done: boolean;
  readonly at: number;
}

/** One change of one experience. Topic <prefix>.experiences, key: the experience's id. */
export interface ExperienceChange {
  /** create, update, delete, read by a backfill */
  readonly op: Op;
  /** the state before, where the origin could read it in the writing transaction */
  readonly before: null | Experience;
  /** the state now; null for a delete */
  readonly after: null | Experience;
  /** microseconds of the origin's hybrid clock, or the generation of a backfill */
  readonly version: number;
  /** unique, for tracing */
  readonly event_id: string;
  readonly origin: Origin;
  /** when it was captured */
  readonly ts_us: number;
}

/** What an agent expects of an action in a state. */
export interface QValue {
  readonly agentId: string;
  readonly state: string;
  readonly action: number;
  readonly value: number;
  readonly visits: number;
}

/** One change of one q value. Topic <prefix>.q-values, key: JSON array [agentId, state, action]. */
export interface QValueChange {
  /** create, update, delete, read by a backfill */
  readonly op: Op;
  /** the state before, where the origin could read it in the writing transaction */
  readonly before: null | QValue;
  /** the state now; null for a delete */
  readonly after: null | QValue;
  /** microseconds of the origin's hybrid clock, or the generation of a backfill */
  readonly version: number;
  /** unique, for tracing */
  readonly event_id: string;
  readonly origin: Origin;
  /** when it was captured */
  readonly ts_us: number;
}

/** How an agent acts. */
export interface Policy {
  readonly agentId: string;
  /** empty for an agent's only policy */
  readonly name: string;
  readonly algorithm: string;
  readonly environment: null | string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** state to action */
  readonly actions: Readonly<Record<string, number>>;
  readonly revision: number;
}

/** One change of one policy. Topic <prefix>.policies, key: agentId, or JSON array [agentId, name] where the policy has a name. */
export interface PolicyChange {
  /** create, update, delete, read by a backfill */
  readonly op: Op;
  /** the state before, where the origin could read it in the writing transaction */
  readonly before: null | Policy;
  /** the state now; null for a delete */
  readonly after: null | Policy;
  /** microseconds of the origin's hybrid clock, or the generation of a backfill */
  readonly version: number;
  /** unique, for tracing */
  readonly event_id: string;
  readonly origin: Origin;
  /** when it was captured */
  readonly ts_us: number;
}

/** One fact about the migration itself. Topic <prefix>.control (compacted), key: the subject. A null value forgets the subject. */
export interface ControlRecord {
  /** what it is about, for instance backfill/3/agent/0; the record key */
  readonly subject: string;
  /** JSON; its shape follows from the subject's first word */
  readonly body: string;
  readonly writer: string;
  readonly ts_us: number;
}

/** What became of it. */
export interface DeadLetterResolution {
  /** redriven or dropped */
  readonly state: string;
  readonly resolved_by: string;
  readonly note: string;
  readonly ts_us: number;
}

/** What is known of a record that a store refused. Topic <prefix>.dead-letters, in the partition and with the key of the record; of several about one record of one store the last one counts. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  /** decimal, as Kafka clients give it */
  readonly offset: string;
  readonly sink: string;
  /** unreadable or rejected */
  readonly error_class: string;
  readonly reason: string;
  /** hex; empty for a record without a value */
  readonly payload_sha256: string;
  /** only where configured */
  readonly payload: null | Uint8Array;
  /** when it was refused */
  readonly ts_us: number;
  /** what the payload is: full (the value itself), masked (the change as JSON, with masked fields) */
  readonly payload_form: string;
  /** of the change, where it could be read */
  readonly version: null | number;
  readonly resolution: null | DeadLetterResolution;
}

/** Something to be done by one of several processes. Topic <prefix>.work; its partitions are the lots, and whoever has a partition does what is in it. */
export interface WorkItem {
  /** who shares it, for instance backfill.3.1; also the last part of their consumer group's name, and the record key */
  readonly crew: string;
  /** JSON; its shape follows from the crew's first word */
  readonly body: string;
  readonly writer: string;
  readonly ts_us: number;
}
