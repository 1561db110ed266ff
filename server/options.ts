import { z } from 'zod';

const KIB = 1024;
const MIB = 1024 * KIB;

export const serverOptions = z.object({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Name or address to listen at. Without a token only this machine may be served.'),
  port: z.int().min(0).max(65_535).default(8_470).describe('Port to listen at; 0 takes any that is free.'),
  token: z
    .string()
    .min(16, 'must have at least 16 characters')
    .optional()
    .describe('Bearer token that a request must carry.'),
  tokenFile: z.string().min(1).optional().describe('File that holds the token. Wins over token.'),
  maxBodyBytes: z
    .int()
    .min(KIB)
    .max(64 * MIB)
    .default(8 * MIB)
    .describe('A larger body is refused.'),
  maxBatchItems: z
    .int()
    .min(1)
    .max(10_000)
    .default(1_000)
    .describe('A request with more changes is refused.'),
  maxRequests: z
    .int()
    .min(1)
    .max(10_000)
    .default(64)
    .describe('Requests with changes that may be under way; more are told to come again.'),
  maxRequestBytes: z
    .int()
    .min(KIB)
    .default(32 * MIB)
    .describe('Bytes of bodies that may be under way; more are told to come again.'),
  ratePerSecond: z
    .number()
    .positive()
    .optional()
    .describe('Changes a second, of all clients together; without it there is no limit.'),
  requestTimeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(30_000)
    .describe('How long a request may take to arrive, and again to be written, before it is given up.'),
  closeTimeoutMs: z.int().min(0).default(10_000).describe('How long a stop waits for what is under way.'),
});

export type ServerOptions = z.infer<typeof serverOptions>;

export const ingestOptions = z.object({
  mode: z
    .enum(['store', 'log'])
    .default('store')
    .describe(
      "Where the HTTP ingest writes: each change to its kind's origin store, captured; or straight to the log.",
    ),
});

export type IngestOptions = z.infer<typeof ingestOptions>;
