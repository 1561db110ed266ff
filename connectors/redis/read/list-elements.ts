import { ChangeoverError } from '../../../core/errors.ts';
import { chunkedAsync } from '../../../core/sequence.ts';
import type { RedisClient } from '../client/client.ts';
import { pipelined, WRONG_TYPE } from '../client/pipelines.ts';
import { type KeyPattern, keyFor } from '../key-patterns.ts';
import { type FoundKey, notOfType } from './key-scan.ts';

/** Lists whose lengths are asked for in one go. */
const LISTS_AT_ONCE = 64;
/** Elements that are read in one go; a longer list is read in pages of so many. */
const PAGE = 2_000;
/** How often a long list is read again from its end because elements went away under the reader. */
const MAX_RESTARTS = 20;

/** Some elements of one list, those after one another in it. */
export interface ListPage {
  readonly id: string;
  /** The first element's place, counted from the list's start. Approximate while the list moves. */
  readonly start: number;
  readonly elements: readonly Buffer[];
  /** True where everything that came before of this list is void, and comes again. */
  readonly restarted: boolean;
}

export interface FoundList extends FoundKey {
  readonly pages: AsyncIterable<ListPage>;
}

interface List extends FoundKey {
  readonly key: string;
}

/** The elements of each agent's list. Holds a page or two in memory, however long a list is. */
export async function* elementsOf(
  client: RedisClient,
  pattern: KeyPattern,
  keys: AsyncIterable<FoundKey>,
): AsyncGenerator<FoundList> {
  for await (const group of chunkedAsync(keys, LISTS_AT_ONCE)) {
    const lists: readonly List[] = group.map((found) => ({ ...found, key: keyFor(pattern, found.id) }));
    const lengths = await pipelined(
      client,
      lists.map(({ key }) => ['llen', key]),
    );
    let short: List[] = [];
    let together = 0;
    for (const [index, list] of lists.entries()) {
      const length = lengths[index];
      const isShort = typeof length === 'number' && list.fault === undefined && length <= PAGE;
      if (!isShort || together + length > PAGE) {
        yield* readWhole(client, short);
        [short, together] = [[], 0];
      }
      if (isShort) {
        short.push(list);
        together += length;
      } else yield unread(client, list, length);
    }
    yield* readWhole(client, short);
  }
}

/** Short lists are read in one step each, so nothing moves under the reader. */
async function* readWhole(client: RedisClient, lists: readonly List[]): AsyncGenerator<FoundList> {
  const contents = await pipelined(
    client,
    lists.map(({ key }) => ['lrangeBuffer', key, 0, 2 * PAGE]),
  );
  for (const [index, list] of lists.entries()) {
    const elements = contents[index];
    // It has grown, or become something else, since it was measured.
    const isWhole = Array.isArray(elements) && elements.length <= 2 * PAGE;
    yield isWhole ? { ...list, pages: onePage(list.id, elements) } : unread(client, list, elements);
  }
}

function unread(client: RedisClient, list: List, looked: unknown): FoundList {
  const fault = list.fault ?? (looked === WRONG_TYPE ? notOfType(list.key, 'list') : undefined);
  return fault === undefined
    ? { ...list, pages: readInPages(client, list) }
    : { ...list, fault, pages: none() };
}

async function* onePage(id: string, elements: readonly Buffer[]): AsyncGenerator<ListPage> {
  yield { id, start: 0, elements, restarted: false };
}

async function* none(): AsyncGenerator<never> {}

/**
 * From the end to the start, because applications add at the end and drop from the start: neither makes this reader
 * miss anything. Each page begins with the last element of the one before; where that is not found, elements have gone
 * in between, and the list is read again.
 */
async function* readInPages(client: RedisClient, { id, key }: List): AsyncGenerator<ListPage> {
  let restarts = 0;
  let fromEnd = 0;
  let seam: Buffer | undefined;
  for (let restarted = false; ; ) {
    const [length, page] = (await pipelined(client, [
      ['llen', key],
      ['lrangeBuffer', key, -(fromEnd + PAGE), seam === undefined ? -1 : -fromEnd],
    ])) as [number, Buffer[] | typeof WRONG_TYPE];
    if (page === WRONG_TYPE) return;
    const end = seam === undefined ? page.length : lastIndexOf(page, seam);
    if (end < 0) {
      if (restarts++ >= MAX_RESTARTS) {
        const message = `The list ${JSON.stringify(key)} at ${client.where} changes faster than it can be read.`;
        throw new ChangeoverError('conflict', message, {
          hint: 'Try again when less is removed from it.',
          retryable: true,
        });
      }
      [restarted, fromEnd, seam] = [true, 0, undefined];
      continue;
    }
    // Elements were added at the end meanwhile: the seam is further from it by so many.
    if (seam !== undefined) fromEnd += page.length - 1 - end;
    fromEnd += end;
    const atStart = page.length < PAGE + (seam === undefined ? 0 : 1);
    const elements = page.slice(0, end);
    yield { id, start: Math.max(0, length - fromEnd), elements, restarted };
    if (atStart || page[0] === undefined) return;
    [seam, restarted] = [page[0], false];
  }
}

function lastIndexOf(page: readonly Buffer[], element: Buffer): number {
  return page.findLastIndex((other) => other.equals(element));
}
