import { chunkedAsync } from '../../../core/sequence.ts';
import type { RedisClient } from '../client/client.ts';
import { pipelined, WRONG_TYPE } from '../client/pipelines.ts';
import { type KeyPattern, keyFor } from '../key-patterns.ts';
import { type FoundKey, notOfType } from './key-scan.ts';

/** Hashes whose first pages are asked for in one go. */
const HASHES_AT_ONCE = 64;
/** About how many fields a page has. (A small hash comes whole, whatever is asked for: 512 fields by default.) */
const FIELDS_PER_PAGE = 500;

export interface FoundHash extends FoundKey {
  /** The names of its fields, page by page, in no order and some of them several times. */
  readonly pages: AsyncIterable<readonly Buffer[]>;
}

type Page = [cursor: Buffer, fieldsAndValues: Buffer[]];

/** The fields of each agent's hash. Holds some pages in memory, however large a hash is. */
export async function* fieldsOf(
  client: RedisClient,
  pattern: KeyPattern,
  keys: AsyncIterable<FoundKey>,
): AsyncGenerator<FoundHash> {
  for await (const group of chunkedAsync(keys, HASHES_AT_ONCE)) {
    const firstPages = await pipelined(
      client,
      group.map(({ id }) => ['hscanBuffer', keyFor(pattern, id), '0', 'COUNT', FIELDS_PER_PAGE]),
    );
    for (const [index, found] of group.entries()) {
      const first = firstPages[index];
      const key = keyFor(pattern, found.id);
      if (found.fault !== undefined) yield { ...found, pages: none() };
      else if (first === WRONG_TYPE) yield { ...found, fault: notOfType(key, 'hash'), pages: none() };
      else yield { ...found, pages: pagesFrom(client, key, first as Page) };
    }
  }
}

async function* pagesFrom(client: RedisClient, key: string, first: Page): AsyncGenerator<readonly Buffer[]> {
  let [cursor, content] = first;
  for (;;) {
    yield content.filter((_, index) => index % 2 === 0);
    const next = cursor.toString();
    if (next === '0') return;
    [cursor, content] = await client.call((redis) => redis.hscanBuffer(key, next, 'COUNT', FIELDS_PER_PAGE));
  }
}

async function* none(): AsyncGenerator<never> {}
