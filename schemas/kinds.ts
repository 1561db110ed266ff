/**
 * Glossary
 *
 * - *kind*: what an entity is. There are six, each with a topic, a schema and a key of its own.
 * - *change*: one statement "this is the state of this entity as of this version" (change.ts).
 * - *version*: decides who wins (version.ts). *Tombstone*: what a delete leaves, so that its version is remembered.
 * - *origin*: the store in which a kind's writes are made first. *Follower*: a store that applies the log.
 * - *echo*: a change that comes back to the store that it was read from.
 * - *generation*: the number of a backfill run; the version of an entity that no captured write has touched.
 */
export const KINDS = ['agent', 'relationship', 'embedding', 'experience', 'q-value', 'policy'] as const;
export type Kind = (typeof KINDS)[number];

export function isKind(text: string): text is Kind {
  return (KINDS as readonly string[]).includes(text);
}

/** Every .avsc file in this folder, without its ending. */
export const SCHEMA_NAMES = [...KINDS, 'control', 'dead-letter', 'work'] as const;
export type SchemaName = (typeof SCHEMA_NAMES)[number];

/** The last part of the topic's name; the first is the configured prefix. */
const TOPIC_SUFFIXES: Readonly<Record<SchemaName, string>> = {
  agent: 'agents',
  relationship: 'relationships',
  embedding: 'embeddings',
  experience: 'experiences',
  'q-value': 'q-values',
  policy: 'policies',
  control: 'control',
  'dead-letter': 'dead-letters',
  work: 'work',
};

export function topicOf(prefix: string, name: SchemaName): string {
  return `${prefix}.${TOPIC_SUFFIXES[name]}`;
}
