import { z } from 'zod';
import { outboxOptions } from '../outbox-options.ts';

/** A label becomes part of a query's text, so it is a plain name; ours start with `Changeover` (names.ts). */
const label = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,49}$/, 'a label is a name of at most 50 letters, digits and underscores')
  .refine((name) => !name.startsWith('Changeover'), 'labels that start with Changeover are taken');

const labels = z
  .strictObject({
    agent: label.default('Agent').describe('Label of the nodes that are agents.'),
    memory: label.default('Memory').describe('Label of the nodes that carry embeddings.'),
  })
  .refine(({ agent, memory }) => agent !== memory, 'agents and embeddings need labels of their own');

const space = z.strictObject({
  model: z
    .string()
    .optional()
    .describe('Model of the embeddings whose node names none; where given, another model is refused.'),
  revision: z.string().default('1').describe('Revision of the model.'),
  metric: z.enum(['cosine', 'l2', 'ip']).default('cosine').describe('How the vectors are compared.'),
  normalised: z.boolean().default(true).describe('Whether the vectors have unit length.'),
});

const defaults = z.strictObject({
  type: z.string().optional().describe('Type of an agent that has none; otherwise it is rejected.'),
  active: z
    .boolean()
    .optional()
    .describe('Whether an agent is active that does not say; otherwise it is rejected.'),
  strength: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe('Strength of a relationship that has none; otherwise it is rejected.'),
});

/** The configuration of one Neo4j database. */
export const neo4jOptions = z.strictObject({
  url: z
    .string()
    .regex(/^(bolt|neo4j)(\+s|\+ssc)?:\/\/[^\s/]+$/, 'a Neo4j address looks like bolt://host:7687')
    .default('bolt://127.0.0.1:7687')
    .describe('Address: bolt:// for one server, neo4j:// for a cluster, +s for TLS.'),
  user: z.string().default('neo4j').describe('Name of the user.'),
  password: z.string().optional().describe('Its password.'),
  passwordFile: z.string().optional().describe('File that holds the password; wins over password.'),
  database: z.string().default('neo4j').describe('Name of the database.'),
  labels: labels.prefault({}).describe('Labels, so that two roles can share one database.'),
  space: space.prefault({}).describe('The space of the embeddings in a legacy graph.'),
  defaults: defaults.prefault({}).describe('What a legacy graph leaves unsaid.'),
  capture: z
    .enum(['trigger', 'writer'])
    .default('trigger')
    .describe(
      'How writes are captured: by a trigger (needs APOC; whoever writes), or only what is written through Changeover.',
    ),
  outbox: outboxOptions.prefault({}).describe('Where captured writes wait for the log.'),
  batchSize: z
    .int()
    .min(1)
    .max(10_000)
    .default(2_000)
    .describe('Most agents or relationships that are written in one transaction.'),
  embeddingBatchSize: z
    .int()
    .min(1)
    .max(2_000)
    .default(250)
    .describe('Most embeddings that are written in one transaction.'),
  sessions: z
    .int()
    .min(1)
    .max(16)
    .default(2)
    .describe('Most transactions in which one batch of changes is written side by side.'),
  poolSize: z.int().min(1).max(1_000).default(10).describe('Most connections to one server.'),
  connectTimeoutMs: z.int().min(1).default(5_000).describe('Longest wait for a connection.'),
  queryTimeoutMs: z.int().min(1).default(30_000).describe('Longest time that one transaction may take.'),
  retryTimeMs: z
    .int()
    .min(0)
    .default(10_000)
    .describe('How long a transaction that failed for a passing reason is tried again.'),
});

export type Neo4jOptions = z.infer<typeof neo4jOptions>;
