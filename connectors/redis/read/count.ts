import { chunkedAsync } from '../../../core/sequence.ts';
import type { RedisClient } from '../client/client.ts';
import { pipelined } from '../client/pipelines.ts';
import { type KeyPattern, keyFor } from '../key-patterns.ts';
import type { Layout, RedisKind } from '../layout.ts';
import { idsOf } from './key-scan.ts';

const KEYS_AT_ONCE = 500;

/** How many items of a kind there are, those that turn out to be no entities included. Exact where nobody writes. */
export async function countEntities(
  kind: RedisKind,
  client: RedisClient,
  { patterns }: Layout,
): Promise<number> {
  switch (kind) {
    case 'agent':
      return countKeys(client, patterns.agent);
    case 'q-value':
      return countKeys(client, patterns.qValues, 'hlen');
    case 'policy':
      return (
        (await countKeys(client, patterns.policy)) + (await countKeys(client, patterns.namedPolicies, 'hlen'))
      );
    case 'experience':
      return countKeys(client, patterns.experiences, 'llen');
    default:
      return kind satisfies never;
  }
}

/** Counts keys, or what is in them. */
async function countKeys(
  client: RedisClient,
  pattern: KeyPattern,
  length?: 'hlen' | 'llen',
): Promise<number> {
  let count = 0;
  for await (const keys of chunkedAsync(idsOf(client, pattern), KEYS_AT_ONCE)) {
    if (length === undefined) {
      count += keys.length;
      continue;
    }
    const lengths = await pipelined(
      client,
      keys.map(({ id }) => [length, keyFor(pattern, id)]),
    );
    for (const number of lengths) count += typeof number === 'number' ? number : 0;
  }
  return count;
}
