import { z } from 'zod';

export const ON_FAILURE = ['raise', 'log'] as const;

/** What an application is told of a write that was not made. */
export type OnFailure = (typeof ON_FAILURE)[number];

export const shimOptions = z.object({
  onFailure: z
    .enum(ON_FAILURE)
    .default('raise')
    .describe(
      'What becomes of a write that is rejected or fails: raise an error, or log it, count it and go on.',
    ),
});

export type ShimOptions = z.infer<typeof shimOptions>;
