import { z } from 'zod';

const KIB = 1024;
const MIB = 1024 * KIB;
const BROKER = /^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:.]+\]:\d{1,5}$/;

export const kafkaOptions = z.object({
  brokers: z
    .array(z.string().regex(BROKER, 'must be host:port'))
    .min(1)
    .default(['127.0.0.1:9092'])
    .describe('host:port of one or more brokers; the others are found through them.'),
  clientId: z.string().min(1).default('changeover').describe("How we are called in the brokers' logs."),
  partitions: z
    .int()
    .min(1)
    .max(1_000)
    .default(4)
    .describe(
      'Partitions of each topic of changes: so many processes can share what a store follows. Fixed once the topics are there.',
    ),
  replicationFactor: z.int().min(1).max(10).default(1).describe('Copies of each topic that we create.'),
  retentionMs: z
    .int()
    .min(-1)
    .default(-1)
    .describe('How long the topics that we create keep changes; -1 is for ever, which restore needs.'),
  maxChangeBytes: z
    .int()
    .min(KIB)
    .max(16 * MIB)
    .default(1_000_000)
    .describe("A larger change is refused. The topic's max.message.bytes counts as well."),
  lanes: z
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Producers side by side; each has one request under way.'),
  maxInFlightBytes: z
    .int()
    .min(64 * KIB)
    .default(16 * MIB)
    .describe('Publishing waits while this much has not been confirmed.'),
  deliveryTimeoutMs: z
    .int()
    .min(100)
    .default(120_000)
    .describe('How long one batch is tried again before publishing fails.'),
  requestTimeoutMs: z
    .int()
    .min(1_000)
    .default(30_000)
    .describe('How long a broker may take for an answer before the request is tried again.'),
  openTimeoutMs: z.int().min(100).default(10_000).describe('How long to look for the brokers at start.'),
  closeTimeoutMs: z.int().min(0).default(10_000).describe('How long a stop waits for what is under way.'),
  sessionTimeoutMs: z
    .int()
    .min(1_000)
    .default(30_000)
    .describe('A consumer that is silent for this long loses its partitions to the others of its group.'),
  ssl: z.boolean().default(false).describe('Encrypt the connections.'),
  sslVerify: z.boolean().default(true).describe("Verify the brokers' certificates."),
  sslCaFile: z.string().min(1).optional().describe('Certificates (PEM) to trust instead of the usual ones.'),
  sslCertFile: z.string().min(1).optional().describe('Client certificate (PEM).'),
  sslKeyFile: z.string().min(1).optional().describe('Key of the client certificate (PEM).'),
  saslMechanism: z
    .enum(['none', 'plain', 'scram-sha-256', 'scram-sha-512'])
    .default('none')
    .describe('How to log in.'),
  user: z.string().min(1).optional().describe('Who logs in.'),
  password: z.string().optional().describe('Its password.'),
  passwordFile: z.string().min(1).optional().describe('File that holds the password. Wins over password.'),
});

export type KafkaOptions = z.infer<typeof kafkaOptions>;
