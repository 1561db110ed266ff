import { z } from 'zod';

/** Also the start of the companion's name (`…_tombstones`); Milvus allows 255 characters. */
const COLLECTION_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,199}$/;

export const INDEX_PROFILES = {
  'high-recall': { M: 32, efConstruction: 512 },
  balanced: { M: 16, efConstruction: 256 },
  fast: { M: 8, efConstruction: 128 },
} as const;
export type IndexProfile = keyof typeof INDEX_PROFILES;

export const milvusOptions = z
  .object({
    address: z.string().min(1).default('127.0.0.1:19530').describe('host:port of the gRPC service.'),
    user: z.string().min(1).optional().describe('User to log in as; none where authorisation is off.'),
    password: z.string().optional().describe('Its password.'),
    passwordFile: z.string().min(1).optional().describe('File that holds the password. Wins over password.'),
    token: z.string().min(1).optional().describe('API key, in place of user and password.'),
    database: z.string().min(1).optional().describe('Database; the default one where it is not given.'),
    ssl: z.boolean().default(false).describe('Encrypt the connection.'),
    sslVerify: z.boolean().default(true).describe("Verify the server's certificate."),
    sslCaFile: z
      .string()
      .min(1)
      .optional()
      .describe('Certificates (PEM) to trust instead of the usual ones.'),
    collection: z
      .string()
      .regex(COLLECTION_NAME, 'must be a name of letters, digits and underscores')
      .default('agent_memories')
      .describe('Collection of the embeddings; <collection>_tombstones remembers deletes.'),
    indexProfile: z
      .enum(Object.keys(INDEX_PROFILES) as [IndexProfile, ...IndexProfile[]])
      .default('balanced')
      .describe('HNSW index: M 32 / efConstruction 512, 16 / 256 or 8 / 128.'),
    model: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Model of the embeddings. With it and dimension the collection is made before the first of them; without, the first one decides.',
      ),
    revision: z.string().default('').describe('Revision of the model.'),
    dimension: z.int().min(2).max(32_768).optional().describe('Dimension of the vectors.'),
    metric: z.enum(['cosine', 'l2', 'ip']).default('cosine').describe('How vectors are compared.'),
    normalised: z.boolean().default(true).describe('Whether the vectors have length 1.'),
    timeoutMs: z.int().min(1).default(10_000).describe('How long a call may take.'),
    loadTimeoutMs: z.int().min(1).default(120_000).describe('How long loading a collection may take.'),
    batchRows: z.int().min(1).max(10_000).default(1_000).describe('Rows of one upsert at most.'),
    inFlight: z.int().min(1).max(16).default(4).describe('Upserts under way at once at most.'),
  })
  .refine((options) => (options.model === undefined) === (options.dimension === undefined), {
    message: 'model and dimension are given together, or neither is',
    path: ['dimension'],
  });

export type MilvusOptions = z.infer<typeof milvusOptions>;
