import { z } from 'zod';

/** What the commands can be configured to do. The parts of the system that they put together have options of their own. */

const HOST_AND_PORT = /^([^\s:/]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/;

export const backfillOptions = z.object({
  batchSize: z.int().min(1).max(20_000).default(1_000).describe('entities in one chunk'),
  parallelism: z.int().min(1).max(64).default(4).describe('ranges that are moved at once, over all kinds'),
  ratePerSecond: z
    .number()
    .positive()
    .optional()
    .describe('most entities a second; as fast as it goes by default'),
  maxLagRecords: z
    .int()
    .min(0)
    .default(200_000)
    .describe(
      'records of a kind that a target store that is running may be behind before the backfill slows down for it; 0 for any number',
    ),
  maxLagSeconds: z
    .number()
    .positive()
    .optional()
    .describe('the same for how long the oldest record may wait; any time by default'),
  maxOriginSlowdown: z
    .number()
    .min(0)
    .default(5)
    .describe(
      'so many times its usual time may a legacy store take for a chunk before the backfill slows down for it; 0 for any',
    ),
  maxOutboxShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe(
      'how full the outbox of a captured legacy store may be before the backfill slows down for it; 0 for any',
    ),
  metricsAddress: z
    .string()
    .regex(HOST_AND_PORT, 'must be host:port')
    .optional()
    .describe(
      'host:port on which `changeover backfill` answers /metrics (Prometheus) and /healthz, without a password: best 127.0.0.1:9466; nowhere by default',
    ),
});

export const runOptions = z.object({
  maxBatchChanges: z
    .int()
    .min(1)
    .max(20_000)
    .default(2_000)
    .describe('most changes that are offered to a store at once'),
  metricsAddress: z
    .string()
    .regex(HOST_AND_PORT, 'must be host:port')
    .optional()
    .describe(
      'host:port on which `changeover run` answers /metrics (Prometheus) and /healthz, without a password: best 127.0.0.1:9465; nowhere by default',
    ),
});

export const lagOptions = z.object({
  maxSeconds: z
    .number()
    .positive()
    .default(60)
    .describe('a store in which a record has waited for longer is called SLOW'),
});

export const relayOptions = z.object({
  batchSize: z
    .int()
    .min(1)
    .max(10_000)
    .default(1_000)
    .describe('most entries of an outbox that are published at once'),
  maxInFlight: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('most entries that have been read and have not left the outbox'),
  metricsAddress: z
    .string()
    .regex(HOST_AND_PORT, 'must be host:port')
    .optional()
    .describe(
      'host:port on which `changeover relay` answers /metrics (Prometheus) and /healthz, without a password: best 127.0.0.1:9464; nowhere by default',
    ),
});

export const validateOptions = z.object({
  batchSize: z
    .int()
    .min(1)
    .max(20_000)
    .default(1_000)
    .describe('entities that are read at once from each store'),
});
