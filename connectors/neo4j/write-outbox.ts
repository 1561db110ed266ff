import { randomUUID } from 'node:crypto';
import { groupBy } from '../../core/sequence.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Transaction } from './client.ts';
import { type Names, quoted } from './names.ts';
import { BOOK, RANKS, rankOf } from './outbox-names.ts';
import { tombstoneKey } from './rows.ts';
import { type Properties, storedNumber } from './values.ts';
import type { Made, WriterScope } from './write-round.ts';

/** Writes an outbox node for each: with the state that the store has now or, of a delete, had before. */
export async function captureWrites(
  transaction: Transaction,
  { names, outbox }: WriterScope,
  made: readonly Made[],
): Promise<void> {
  for (const some of groupBy(made, placeOf).values()) {
    const [match, parameters] = stateOf(names, some);
    await transaction.run(
      `UNWIND range(0, size($books) - 1) AS i ${match}
       CREATE (o:${quoted(outbox.outbox)}) SET o = state, o += $books[i]`,
      { books: some.map(bookOf), ...parameters },
    );
  }
}

/** Where the state of an entry is read; all of one place are read in one statement. */
function placeOf({ change }: Made): string {
  if (change.after === null) return 'gone';
  return change.kind === 'relationship' ? `relationship ${change.after.type}` : change.kind;
}

function stateOf(
  { agent, memory }: Names,
  some: readonly Made[],
): readonly [match: string, parameters: object] {
  const [first] = some;
  const changes = some.map(({ change }) => change);
  if (first?.change.after === null) {
    return ['WITH i, $before[i] AS state', { before: some.map(({ before }) => before ?? {}) }];
  }
  if (first?.change.kind !== 'relationship') {
    const { label } = first?.change.kind === 'agent' ? agent : memory;
    return [
      `MATCH (e:${quoted(label)} {id: $keys[i]}) WITH i, properties(e) AS state`,
      { keys: changes.map(({ key }) => key) },
    ];
  }
  const ends = changes.map(({ key }) => parseKey('relationship', key));
  const label = quoted(agent.label);
  return [
    `MATCH (s:${label} {id: $source[i]}) MATCH (t:${label} {id: $target[i]})
     OPTIONAL MATCH (s)-[e:${quoted(ends[0]?.type ?? '')}]->(t) WITH i, properties(e) AS state`,
    { source: ends.map(({ source }) => source), target: ends.map(({ target }) => target) },
  ];
}

function bookOf({ change, eventId }: Made): Properties {
  const { kind, key, op, version, origin, capturedAt } = change;
  const rank = rankOf(kind, op === 'd');
  const book: Properties = {
    [BOOK.id]: randomUUID(),
    [BOOK.kind]: kind,
    [BOOK.key]: key,
    [BOOK.op]: op,
    [BOOK.version]: storedNumber(version),
    [BOOK.rank]: storedNumber(rank),
    // Too large for a safe integer, so it is made of a BigInt.
    [BOOK.order]: BigInt(version) * BigInt(RANKS) + BigInt(rank),
    [BOOK.at]: storedNumber(capturedAt),
    [BOOK.path]: origin.path,
    [BOOK.writer]: origin.writer,
  };
  // Null removes what an application may have called so.
  book[BOOK.event] = eventId ?? null;
  if (kind !== 'relationship') return book;
  const ends = parseKey('relationship', key);
  return {
    ...book,
    [BOOK.key]: tombstoneKey(ends),
    [BOOK.source]: ends.source,
    [BOOK.type]: ends.type,
    [BOOK.target]: ends.target,
  };
}
