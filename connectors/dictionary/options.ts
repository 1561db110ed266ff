import { z } from 'zod';
import { outboxOptions } from '../outbox-options.ts';

const MEBIBYTE = 1024 * 1024;

export const dictionaryOptions = z.strictObject({
  file: z
    .string()
    .min(1)
    .describe('Path of the JSON file. Plain or gzip; a store that is written to must be plain.'),
  create: z
    .boolean()
    .default(false)
    .describe('Makes an empty dictionary where a legacy one is missing. (A target is always made.)'),
  temporaryFolder: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Where the index and an unpacked gzip file go while in use. The system temporary folder by default.',
    ),
  maxAgentBytes: z
    .int()
    .min(1024)
    .max(256 * MEBIBYTE)
    .default(16 * MEBIBYTE)
    .describe(
      'An agent whose JSON is longer than this many bytes is rejected instead of being read into memory.',
    ),
  compactAfterEntries: z
    .int()
    .min(1)
    .default(100_000)
    .describe(
      'The journal is folded into the file when it holds this many keys. Costs up to about 0.6 kB of memory each.',
    ),
  compactAfterBytes: z
    .int()
    .min(1024)
    .default(64 * MEBIBYTE)
    .describe('The journal is folded into the file when it has this many bytes.'),
  compactOnClose: z
    .boolean()
    .default(true)
    .describe(
      'Folds the journal into the file at a clean end, so that a legacy application reads everything.',
    ),
  outbox: outboxOptions.prefault({}),
});

export type DictionaryOptions = z.infer<typeof dictionaryOptions>;
