import type { EntityOf, Experience } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import type { IdentityOf } from '../../schemas/keys.ts';
import { NOT_UTF8, textOf } from './bytes.ts';
import type { PlacedKind } from './layout.ts';
import type { UnknownFields } from './options.ts';
import { agentFromHash, agentToHash } from './read/agent-hash.ts';
import {
  experienceFromJson,
  parseFields,
  policyFromJson,
  policyToJson,
  qValueFromJson,
  qValueToJson,
} from './read/json-values.ts';

/** Bytes of one JSON value at most: it has to fit into a Kafka record anyway, with much to spare. */
export const MAX_VALUE_BYTES = 8 * 1024 * 1024;

/** The content of a hash, or a value. */
export type Content = Buffer | readonly Buffer[];

type FromContent<K extends PlacedKind> = (
  identity: IdentityOf[K],
  texts: readonly string[],
  unknownFields: UnknownFields,
) => EntityOf[K] | string;

const FROM_CONTENT: { readonly [K in PlacedKind]: FromContent<K> } = {
  agent: ({ id }, fields) => agentFromHash(id, fields),
  'q-value': (identity, [text = ''], unknownFields) => {
    const fields = parseFields(text);
    return typeof fields === 'string' ? fields : qValueFromJson(identity, fields, unknownFields);
  },
  policy: (identity, [text = ''], unknownFields) => {
    const fields = parseFields(text);
    return typeof fields === 'string' ? fields : policyFromJson(identity, fields, unknownFields);
  },
};

/** The entity in what Redis holds of it, or why there is none that can be moved. */
export function entityFrom<K extends PlacedKind>(
  kind: K,
  identity: IdentityOf[K],
  content: Content,
  unknownFields: UnknownFields,
): EntityOf[K] | string {
  const texts: string[] = [];
  for (const bytes of Buffer.isBuffer(content) ? [content] : content) {
    const text = textOf(bytes);
    if (text === undefined) return NOT_UTF8;
    texts.push(text);
  }
  return entityFromTexts(kind, identity, texts, unknownFields);
}

/** The same from texts. */
export function entityFromTexts<K extends PlacedKind>(
  kind: K,
  identity: IdentityOf[K],
  texts: readonly string[],
  unknownFields: UnknownFields,
): EntityOf[K] | string {
  const entity = FROM_CONTENT[kind](identity, texts, unknownFields);
  return typeof entity === 'string' ? entity : (entityFault(kind, entity) ?? entity);
}

export function experienceFrom(
  agentId: string,
  element: Buffer,
  unknownFields: UnknownFields,
): Experience | string {
  const text = textOf(element);
  return text === undefined ? NOT_UTF8 : experienceFromText(agentId, text, unknownFields);
}

export function experienceFromText(
  agentId: string,
  text: string,
  unknownFields: UnknownFields,
): Experience | string {
  const fields = parseFields(text);
  if (typeof fields === 'string') return fields;
  const experience = experienceFromJson(agentId, fields, unknownFields);
  return typeof experience === 'string' ? experience : (entityFault('experience', experience) ?? experience);
}

/** What Redis is to hold: field, value, … of a hash, or one value. */
const TO_CONTENT: { readonly [K in PlacedKind]: (entity: EntityOf[K]) => readonly string[] } = {
  agent: agentToHash,
  'q-value': (qValue) => [qValueToJson(qValue)],
  policy: (policy) => [policyToJson(policy)],
};

export function contentOf<K extends PlacedKind>(kind: K, entity: EntityOf[K]): readonly string[] {
  return TO_CONTENT[kind](entity);
}
