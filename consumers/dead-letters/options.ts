import { z } from 'zod';
import { KINDS } from '../../schemas/kinds.ts';
import { maskFault } from './mask-fields.ts';

const MASK = new RegExp(`^(${KINDS.join('|')})\\..+`);

export const deadLetterOptions = z
  .object({
    mode: z
      .enum(['record', 'stop'])
      .default('record')
      .describe(
        'what becomes of a change that a store refuses for good: it is recorded as a dead letter and the store goes on, or the store stops',
      ),
    stopAfter: z
      .int()
      .min(1)
      .max(100_000)
      .default(1_000)
      .describe(
        'a store with so many open dead letters stops at the next one: most likely it is not the changes that are wrong',
      ),
    payload: z
      .enum(['none', 'masked', 'full'])
      .default('none')
      .describe(
        'what a dead letter keeps of the change, beside key, reason and hash: nothing, its fields with some of them masked, or all of its bytes',
      ),
    mask: z
      .array(
        z
          .string()
          .regex(MASK, 'must be a kind, a dot and a field, such as agent.attributes.name')
          .superRefine((mask, context) => {
            const message = maskFault(mask);
            if (message !== undefined) context.addIssue({ code: 'custom', message });
          }),
      )
      .default([])
      .describe(
        'fields whose values are never kept or shown, such as agent.attributes.name or embedding.metadata.*; needs payload none or masked',
      ),
  })
  .refine(({ payload, mask }) => payload !== 'full' || mask.length === 0, {
    path: ['payload'],
    message: 'full keeps every field: set masked, or no mask',
  });

export type DeadLetterOptions = z.infer<typeof deadLetterOptions>;
