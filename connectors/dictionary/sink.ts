import type { Kind } from '../../schemas/kinds.ts';
import { coalescingSink } from '../coalescing-sink.ts';
import type { Sink } from '../connector.ts';
import type { DictionaryClient } from './client.ts';

export function dictionarySink(client: DictionaryClient, kinds: readonly Kind[]): Sink {
  return coalescingSink({
    kinds,
    close: async () => {},
    applyDistinct: (_kind, changes) => client.apply(changes),
  });
}
