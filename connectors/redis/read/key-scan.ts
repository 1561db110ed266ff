import type { RejectedItem } from '../../connector.ts';
import { escapeBytes, NOT_UTF8, textOf } from '../bytes.ts';
import type { RedisClient } from '../client/client.ts';
import { globOf, idIn, type KeyPattern } from '../key-patterns.ts';
import { quote } from '../layout.ts';
import { fromLine, toLine } from './place-lines.ts';
import { sortLines } from './sort-lines.ts';

/** Keys that SCAN looks at in one call. */
const KEYS_PER_SCAN = 1_000;

/** An agent's id in a key of the pattern, or what is wrong with the key. */
export interface FoundKey {
  readonly id: string;
  readonly fault?: RejectedItem;
}

/**
 * The ids in all keys of a pattern, each once and in order. SCAN itself knows no order and may give a key several
 * times; a key that is there all the while is not missed, unless its slot moves between the servers of a cluster meanwhile.
 */
export async function* idsOf(client: RedisClient, pattern: KeyPattern): AsyncGenerator<FoundKey> {
  for await (const line of sortLines(scanLines(client, pattern))) {
    const { place, fault } = fromLine(line);
    yield { id: String(place[0]), ...(fault !== undefined && { fault }) };
  }
}

async function* scanLines(client: RedisClient, pattern: KeyPattern): AsyncGenerator<string> {
  const glob = globOf(pattern);
  for (const part of client.parts()) {
    let cursor = '0';
    do {
      const [next, keys] = await part.call((redis) =>
        redis.scanBuffer(cursor, 'MATCH', glob, 'COUNT', KEYS_PER_SCAN),
      );
      cursor = next.toString();
      for (const key of keys) {
        const text = textOf(key);
        const id = text === undefined ? undefined : idIn(pattern, text);
        if (text === undefined) yield unreadableKey(key);
        else if (id !== undefined) yield toLine({ place: [id] });
      }
    } while (cursor !== '0');
  }
}

function unreadableKey(key: Buffer): string {
  const text = escapeBytes(key);
  return toLine({ place: [text], fault: { where: `key "${text}"`, reason: `its name ${NOT_UTF8}` } });
}

export function notOfType(key: string, type: 'hash' | 'list'): RejectedItem {
  return { where: `key ${quote(key)}`, reason: `holds no ${type}` };
}
