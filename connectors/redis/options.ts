import { z } from 'zod';
import { outboxOptions } from '../outbox-options.ts';
import { idIn, type KeyPattern, overlap, parsePattern } from './key-patterns.ts';

/** Where roles are marked. Not under the prefix, because two configurations with different prefixes must meet here. */
export const MARKS_KEY = 'changeover:places';

const pattern = (text: string, what: string) =>
  z
    .string()
    .refine((value) => parsePattern(value) !== undefined, 'must hold {id} (or {agentId}) exactly once')
    .default(text)
    .describe(`Key of ${what}, with {id} for the agent's id.`);

const keyOptions = z.object({
  agent: pattern('agent:{id}', "an agent's hash: id, type, active and a field per attribute"),
  qValues: pattern('rl:q:{id}', "an agent's Q-values: a hash, field state|action, value JSON"),
  policy: pattern('rl:policy:{id}', "an agent's policy without a name: a string, JSON"),
  namedPolicies: pattern(
    'rl:policies:{id}',
    "an agent's policies with names: a hash, field name, value JSON",
  ),
  experiences: pattern('rl:exp:{id}', "an agent's experiences: a list of JSON, oldest first"),
});

const milliseconds = (ms: number) => z.int().min(1).max(2_000_000_000).default(ms);

export const redisOptions = z
  .object({
    url: z
      .url({ protocol: /^rediss?$/, hostname: /.+/ })
      .refine((text) => new URL(text).search === '', 'put options after "?" into options of their own')
      .refine(
        (text) => /^\/?\d{0,6}$/.test(new URL(text).pathname),
        'its path must be the number of a database',
      )
      .optional()
      .describe(
        'redis://username:password@host:port/db, rediss:// for TLS. Wins over host, port, db and username.',
      ),
    cluster: z
      .array(z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]/@\s]+):\d{1,5}$/, 'must be host:port'))
      .min(1)
      .optional()
      .describe(
        'Some nodes of a Redis Cluster, each host:port, in place of url, host and port. Origin stores only.',
      ),
    host: z.string().min(1).default('127.0.0.1').describe('Name or address of the server.'),
    port: z.int().min(1).max(65_535).default(6379).describe('Port of the server.'),
    db: z.int().min(0).default(0).describe('Number of the database.'),
    username: z.string().min(1).optional().describe('ACL user to log in as; the default user without it.'),
    password: z.string().optional().describe('Its password. Wins over the one in the url.'),
    passwordFile: z.string().min(1).optional().describe('File that holds the password. Wins over password.'),
    tls: z.boolean().default(false).describe('Encrypt the connection.'),
    tlsVerify: z.boolean().default(true).describe("Verify the server's certificate."),
    tlsCaFile: z
      .string()
      .min(1)
      .optional()
      .describe('Certificates (PEM) to trust instead of the usual ones.'),
    tlsCertFile: z.string().min(1).optional().describe('Client certificate (PEM).'),
    tlsKeyFile: z.string().min(1).optional().describe('Key of the client certificate (PEM).'),
    keys: keyOptions.prefault({}),
    bookkeepingPrefix: z
      .string()
      .min(1)
      .max(200)
      .default('changeover:')
      .describe('What the keys of our own begin with: versions, clock, outbox.'),
    outbox: outboxOptions.prefault({}),
    unknownFields: z
      .enum(['reject', 'ignore'])
      .default('reject')
      .describe('What becomes of a JSON value with fields that have no place in the log.'),
    connectTimeoutMs: milliseconds(5_000).describe('How long to wait for a connection.'),
    commandTimeoutMs: milliseconds(10_000).describe('How long to wait for an answer.'),
    attempts: z
      .int()
      .min(1)
      .max(100)
      .default(5)
      .describe('How often a call is tried while the server is away, before whoever called is told.'),
  })
  .superRefine(({ keys, bookkeepingPrefix, cluster, url, db }, context) => {
    if (cluster !== undefined) {
      const fault = (path: string, message: string) =>
        context.addIssue({ code: 'custom', path: [path], message });
      if (url !== undefined) fault('url', 'is for a single server: with cluster, use username and password');
      if (db !== 0) fault('db', 'must be 0: a Redis Cluster has one database');
      if (bookkeepingPrefix.includes('{'))
        fault(
          'bookkeepingPrefix',
          'must not hold "{" in a Redis Cluster: what follows it says which slot a key is in',
        );
    }
    const own: KeyPattern = { prefix: bookkeepingPrefix, suffix: '' };
    const claims: [name: string, pattern: KeyPattern][] = [['bookkeepingPrefix', own]];
    for (const [name, text] of Object.entries(keys)) {
      const parsed = parsePattern(text);
      if (parsed === undefined) continue;
      const rival = claims.find(([, claimed]) => overlap(claimed, parsed));
      if (rival !== undefined) {
        const message = `could claim the same key as ${rival[0]}: give them different beginnings`;
        context.addIssue({ code: 'custom', path: ['keys', name], message });
      }
      if (idIn(parsed, MARKS_KEY) !== undefined) {
        const message = `claims ${MARKS_KEY}, where we mark whose keys are whose`;
        context.addIssue({ code: 'custom', path: ['keys', name], message });
      }
      claims.push([name, parsed]);
    }
  });

export type RedisOptions = z.infer<typeof redisOptions>;
export type UnknownFields = RedisOptions['unknownFields'];
