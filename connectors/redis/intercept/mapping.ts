import { z } from 'zod';
import { ChangeoverError } from '../../../core/errors.ts';
import { outboxOptions } from '../../outbox-options.ts';
import { REDIS_KINDS } from '../layout.ts';
import { redisOptions } from '../options.ts';

const { keys, bookkeepingPrefix, unknownFields } = redisOptions.shape;

/** What `intercept` has to know. It must say the same as the section `legacy.redis` of the configuration. */
const mappingOptions = z.strictObject({
  keys,
  kinds: z
    .array(z.enum(REDIS_KINDS))
    .min(1)
    .default([...REDIS_KINDS])
    .describe('The kinds of which this Redis is the origin. Keys of the others are not captured.'),
  bookkeepingPrefix,
  unknownFields,
  outbox: outboxOptions.prefault({}),
  maxChangeBytes: z
    .int()
    .min(1_000)
    .default(1_000_000)
    .describe('The largest change that the log takes, as kafka.maxChangeBytes.'),
  store: z.string().min(1).default('legacy.redis').describe("The store's name in the configuration."),
  writer: z.string().min(1).max(200).describe('Names this process, for the changes that come from it.'),
});

export type RedisMapping = z.infer<typeof mappingOptions>;

/** A mapping with the defaults of the configuration filled in. Throws where the configuration would be refused too. */
export function redisMapping(given: z.input<typeof mappingOptions>): RedisMapping {
  const mapping = mappingOptions.parse(given);
  // Patterns that could claim one key are found there.
  redisOptions.parse({ keys: mapping.keys, bookkeepingPrefix: mapping.bookkeepingPrefix });
  return mapping;
}

/** Throws where the mapping cannot be that of a cluster: the tag of our keys has to be the first in them. */
export function clusterMapping<M extends Pick<RedisMapping, 'bookkeepingPrefix'>>(mapping: M): M {
  if (!mapping.bookkeepingPrefix.includes('{')) return mapping;
  throw new ChangeoverError('config', 'In a Redis Cluster the bookkeepingPrefix must not hold "{".', {
    hint: 'What follows it says which slot our keys are in.',
  });
}
