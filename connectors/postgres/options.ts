import { z } from 'zod';

/** Becomes part of queries' text, so it is a plain name. 48 leaves room for what is derived from it. */
const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,47}$/;

export const postgresOptions = z.object({
  url: z
    .url({ protocol: /^postgres(ql)?$/, hostname: /.+/ })
    .refine((text) => new URL(text).search === '', 'put options after "?" into options of their own')
    .optional()
    .describe('postgres://user:password@host:port/database. Wins over host, port, user and database.'),
  host: z.string().min(1).default('127.0.0.1').describe('Name or address of the server.'),
  port: z.int().min(1).max(65_535).default(5432).describe('Port of the server.'),
  user: z.string().min(1).default('changeover').describe('Role to log in as.'),
  password: z.string().optional().describe('Its password. Wins over the one in the url.'),
  passwordFile: z.string().min(1).optional().describe('File that holds the password. Wins over password.'),
  database: z.string().min(1).default('changeover').describe('Database; it must exist and be in UTF8.'),
  schema: z
    .string()
    .regex(SCHEMA_NAME, 'must be a name of lower-case letters, digits and underscores, 48 at most')
    .default('changeover')
    .describe('Schema that holds our tables and views. Made when it is not there.'),
  ssl: z.boolean().default(false).describe('Encrypt the connection.'),
  sslVerify: z.boolean().default(true).describe("Verify the server's certificate."),
  sslCaFile: z.string().min(1).optional().describe('Certificates (PEM) to trust instead of the usual ones.'),
  sslCertFile: z.string().min(1).optional().describe('Client certificate (PEM).'),
  sslKeyFile: z.string().min(1).optional().describe('Key of the client certificate (PEM).'),
  poolSize: z.int().min(1).max(100).default(4).describe('Connections at most.'),
  connectTimeoutMs: z.int().min(1).default(5_000).describe('How long to wait for a connection.'),
  statementTimeoutMs: z
    .int()
    .min(1)
    .max(2_000_000_000)
    .default(30_000)
    .describe('How long a statement may take before it counts as failed and is tried again.'),
  batchRows: z
    .int()
    .min(1)
    .max(50_000)
    .default(5_000)
    .describe('Rows of one statement at most; 1,000 to 5,000 are about equally fast.'),
});

export type PostgresOptions = z.infer<typeof postgresOptions>;
