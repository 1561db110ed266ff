import { escapeBytes, NOT_UTF8, textOf } from '../bytes.ts';
import type { RedisClient } from '../client/client.ts';
import { type KeyPattern, keyFor } from '../key-patterns.ts';
import { type Layout, quote, type RedisKind } from '../layout.ts';
import { enumerateExperiences } from './enumerate-experiences.ts';
import { fieldIdentity } from './field-identity.ts';
import { type FoundHash, fieldsOf } from './hash-fields.ts';
import { idsOf } from './key-scan.ts';
import { type Found, toLine } from './place-lines.ts';
import { sortLines } from './sort-lines.ts';

/**
 * What there is of a kind, as lines (place-lines.ts) in scan order, each once: keys only, because content is read when
 * it is asked for. Memory is bounded; what does not fit is sorted on disk.
 */
export function enumerate(kind: RedisKind, client: RedisClient, layout: Layout): AsyncIterable<string> {
  return ENUMERATORS[kind](client, layout);
}

type Enumerator = (client: RedisClient, layout: Layout) => AsyncIterable<string>;

const ENUMERATORS: { readonly [K in RedisKind]: Enumerator } = {
  agent: async function* (client, { patterns }) {
    for await (const { id, fault } of idsOf(client, patterns.agent)) {
      yield toLine({ place: [id], ...(fault !== undefined && { fault }) });
    }
  },

  // Each hash is sorted by itself: the agents come in order already.
  'q-value': async function* (client, { patterns }) {
    for await (const hash of hashesOf(client, patterns.qValues)) {
      yield* sortLines(linesOf(hash, patterns.qValues, qValuePlace));
    }
  },

  policy: (client, { patterns }) => sortLines(policyLines(client, patterns)),

  experience: enumerateExperiences,
};

async function* policyLines(client: RedisClient, patterns: Layout['patterns']): AsyncGenerator<string> {
  for await (const { id, fault } of idsOf(client, patterns.policy)) {
    yield toLine(fault === undefined ? { place: [id, ''] } : { place: [id], fault });
  }
  for await (const hash of hashesOf(client, patterns.namedPolicies)) {
    yield* linesOf(hash, patterns.namedPolicies, namedPolicyPlace);
  }
}

function hashesOf(client: RedisClient, pattern: KeyPattern): AsyncIterable<FoundHash> {
  return fieldsOf(client, pattern, idsOf(client, pattern));
}

type PlaceOf = (id: string, field: string) => Found['place'] | string;

async function* linesOf(hash: FoundHash, pattern: KeyPattern, placeOf: PlaceOf): AsyncGenerator<string> {
  const key = keyFor(pattern, hash.id);
  if (hash.fault !== undefined) yield toLine({ place: [hash.id], fault: hash.fault });
  for await (const page of hash.pages) {
    for (const bytes of page) yield toLine(fieldFound(key, hash.id, bytes, placeOf));
  }
}

function fieldFound(key: string, id: string, bytes: Buffer, placeOf: PlaceOf): Found {
  const field = textOf(bytes);
  const place = field === undefined ? `its name ${NOT_UTF8}` : placeOf(id, field);
  if (typeof place !== 'string') return { place };
  const name = field ?? escapeBytes(bytes);
  // No state and no name is empty, so what is no entity comes before all that are, each at a place of its own.
  return {
    place: [id, '', 0, name],
    fault: { where: `key ${quote(key)}, field ${quote(name)}`, reason: place },
  };
}

const qValuePlace: PlaceOf = (id, field) => {
  const identity = fieldIdentity('q-value', id, field);
  return typeof identity === 'string' ? identity : [id, identity.state, identity.action];
};

const namedPolicyPlace: PlaceOf = (id, field) => {
  const identity = fieldIdentity('policy', id, field);
  return typeof identity === 'string' ? identity : [id, identity.name];
};
