import { chunked } from '../../core/sequence.ts';
import type { SetAsideEntry } from '../capture.ts';
import type { Neo4jClient } from './client.ts';
import { quoted } from './names.ts';
import { entryName } from './outbox-entry.ts';
import { BOOK, type OutboxNames } from './outbox-names.ts';
import { type Properties, readScalar } from './values.ts';

const IDS_PER_TRANSACTION = 1_000;

/** Not what they say of the state, which may be long. */
const NAMING = [BOOK.id, BOOK.kind, BOOK.key, BOOK.source, BOOK.type, BOOK.target, BOOK.at, BOOK.reason]
  .map((property) => `.${property}`)
  .join(', ');

export async function* setAsideEntries(
  client: Neo4jClient,
  { aside }: OutboxNames,
): AsyncGenerator<SetAsideEntry> {
  const text = `MATCH (o:${quoted(aside)}) RETURN o {${NAMING}} AS properties ORDER BY o.${BOOK.order}`;
  for await (const rows of client.stream(text)) {
    for (const row of rows) yield entryOf(row.get('properties'));
  }
}

function entryOf(properties: Properties): SetAsideEntry {
  const { id, kind, key } = entryName(properties);
  const [reason, at] = [properties[BOOK.reason], readScalar(properties[BOOK.at])];
  return {
    id,
    kind,
    key,
    reason: typeof reason === 'string' ? reason : '',
    capturedUs: at === undefined ? null : Number(at),
  };
}

export async function clearSetAside(
  client: Neo4jClient,
  { aside }: OutboxNames,
  ids: readonly string[],
): Promise<number> {
  let gone = 0;
  for (const chunk of chunked(ids, IDS_PER_TRANSACTION)) {
    const [row] = await client.query(
      `MATCH (o:${quoted(aside)}) WHERE o.${BOOK.id} IN $ids
       WITH collect(o) AS found FOREACH (o IN found | DELETE o) RETURN size(found) AS gone`,
      { ids: chunk },
    );
    gone += Number(row?.get('gone') ?? 0);
  }
  return gone;
}
