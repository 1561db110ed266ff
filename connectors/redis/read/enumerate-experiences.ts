import { createHash } from 'node:crypto';
import { isRecord, tryParseJson } from '../../../core/json.ts';
import { NOT_UTF8, textOf } from '../bytes.ts';
import type { RedisClient } from '../client/client.ts';
import { keyFor } from '../key-patterns.ts';
import { type Layout, quote } from '../layout.ts';
import { homesOf } from './experience-homes.ts';
import { idsOf } from './key-scan.ts';
import { elementsOf, type ListPage } from './list-elements.ts';
import { type Found, fromLine, toLine } from './place-lines.ts';
import { sortLines } from './sort-lines.ts';

/**
 * Experiences are named by their ids alone, so an id that stands in two places is found by sorting by id first: the
 * one that counts stays, the others become rejected items. Then everything is sorted into scan order.
 */
export async function* enumerateExperiences(client: RedisClient, layout: Layout): AsyncGenerator<string> {
  const lists = new ListReader(client, layout);
  yield* sortLines(placed(sortLines(lists.lines()), lists));
}

/** Which reading of a list counts, where it had to be read again. */
type Reading = number;

/**
 * Reads all lists as lines whose place is `[id, agentId, index, reading]`; what is no entity has an empty id. So of an
 * id that stands in several places the first, by agent and then by age, comes first.
 */
class ListReader {
  readonly #client: RedisClient;
  readonly #layout: Layout;
  /** Only of the lists that were read more than once: few. */
  readonly #readings = new Map<string, Reading>();

  constructor(client: RedisClient, layout: Layout) {
    this.#client = client;
    this.#layout = layout;
  }

  keyOf(agentId: string): string {
    return keyFor(this.#layout.patterns.experiences, agentId);
  }

  counts(agentId: string, reading: Reading): boolean {
    return reading === (this.#readings.get(agentId) ?? 0);
  }

  /** The agent whose list holds an experience, if that is known. */
  async holderOf(id: string): Promise<string | undefined> {
    const home = (await homesOf([id], { client: this.#client, layout: this.#layout })).get(id);
    if (home === undefined) return undefined;
    const held = await this.#client.call((redis) => redis.hget(home.versionsKey('experience'), id));
    return /^\d+ \S+ (.*)$/s.exec(held ?? '')?.[1];
  }

  async *lines(): AsyncGenerator<string> {
    const pattern = this.#layout.patterns.experiences;
    for await (const { id, fault, pages } of elementsOf(
      this.#client,
      pattern,
      idsOf(this.#client, pattern),
    )) {
      if (fault !== undefined) yield toLine({ place: ['', id], fault });
      for await (const page of pages) yield* this.#pageLines(page);
    }
  }

  *#pageLines({ id: agentId, start, elements, restarted }: ListPage): Generator<string> {
    if (restarted) this.#readings.set(agentId, (this.#readings.get(agentId) ?? 0) + 1);
    const reading = this.#readings.get(agentId) ?? 0;
    for (const [offset, bytes] of elements.entries()) {
      const index = start + offset;
      const element = elementIn(bytes);
      if (typeof element !== 'string') {
        yield toLine({ place: [element.id, agentId, index, reading], hint: { index, at: element.at } });
        continue;
      }
      const fault = { where: elementAt(this.keyOf(agentId), index), reason: element };
      yield toLine({ place: ['', agentId, index, reading, digestOf(bytes)], fault });
    }
  }
}

function elementAt(key: string, index: number): string {
  return `key ${quote(key)}, element ${index}`;
}

/** Names a broken element by its content, because its index changes while others come and go. */
function digestOf(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex').slice(0, 16);
}

function elementIn(bytes: Buffer): { readonly id: string; readonly at: string } | string {
  const text = textOf(bytes);
  if (text === undefined) return NOT_UTF8;
  const value = tryParseJson(text);
  if (value === undefined) return 'is not JSON';
  if (!isRecord(value)) return 'is not a JSON object';
  const { id, at } = value;
  if (typeof id !== 'string') return 'has no id';
  if (id === '') return 'its id is empty';
  return id.isWellFormed()
    ? { id, at: Number.isSafeInteger(at) ? String(at) : '' }
    : 'its id holds half a character';
}

/** From lines by id to lines by scan place. */
async function* placed(lines: AsyncIterable<string>, lists: ListReader): AsyncGenerator<string> {
  let candidate: Found | undefined;
  let holder: string | undefined;
  for await (const line of lines) {
    const found = fromLine(line);
    const [id, agentId, , reading = 0] = found.place;
    if (!lists.counts(String(agentId), Number(reading))) continue;
    if (found.fault !== undefined) {
      yield toLine(faultOf(found));
    } else if (candidate === undefined || candidate.place[0] !== id) {
      if (candidate !== undefined) yield toLine(winnerOf(candidate));
      [candidate, holder] = [found, undefined];
    } else {
      holder ??= (await lists.holderOf(String(id))) ?? '';
      const [keep, drop] =
        agentId === holder && candidate.place[1] !== holder ? [found, candidate] : [candidate, found];
      yield toLine(duplicateOf(drop, keep, lists));
      candidate = keep;
    }
  }
  if (candidate !== undefined) yield toLine(winnerOf(candidate));
}

function winnerOf({ place: [id, agentId], hint }: Found): Found {
  return { place: [String(agentId), String(id)], ...(hint !== undefined && { hint }) };
}

function faultOf({ place: [, agentId, , , digest], fault }: Found): Found {
  const place = digest === undefined ? [String(agentId)] : [String(agentId), '', digest];
  return { place, ...(fault !== undefined && { fault }) };
}

/** Beside the one that counts it has no place of its own: it goes with the faults of its list. */
function duplicateOf({ place }: Found, winner: Found, lists: ListReader): Found {
  const [id, agentId, index] = place;
  const where = ({ place: [, agent, number] }: Found) =>
    elementAt(lists.keyOf(String(agent)), Number(number));
  return {
    place: [String(agentId), '', `${id} ${index}`],
    fault: { where: where({ place }), reason: `its id ${quote(String(id))} stands in ${where(winner)} too` },
  };
}
