import type { Entity, Experience } from '../../../schemas/change.ts';
import { entityFault } from '../../../schemas/entity-fault.ts';
import { type IdentityOf, keyOf } from '../../../schemas/keys.ts';
import type { EntityWrite } from '../../capture.ts';
import { changeOf, sizeFault } from '../../write-fault.ts';
import { NOT_UTF8, textOf } from '../bytes.ts';
import { agentFromHash } from '../read/agent-hash.ts';
import { entityFromTexts, experienceFromText } from '../rows.ts';
import type { RedisMapping } from './mapping.ts';
import type { Word } from './plan.ts';

/** A change takes no more bytes than this times its text (one digit becomes a double, with its name), and some. */
const BYTES_PER_CHARACTER = 20;
const SURELY_ENOUGH = 4_096;

function textIn(word: Word): string | undefined {
  return typeof word === 'string' ? word : textOf(word);
}

/** Why a JSON value must not be written. */
export function valueFault<K extends 'policy' | 'q-value'>(
  kind: K,
  identity: IdentityOf['policy'] | IdentityOf['q-value'],
  word: Word,
  mapping: RedisMapping,
): string | undefined {
  const text = textIn(word);
  if (text === undefined) return NOT_UTF8;
  const entity = entityFromTexts(kind, identity as IdentityOf[K], [text], mapping.unknownFields);
  return typeof entity === 'string' ? entity : tooLarge(kind, entity, text, mapping);
}

/** The experience in an element, or why it must not be written. */
export function experienceFault(agentId: string, word: Word, mapping: RedisMapping): Experience | string {
  const text = textIn(word);
  if (text === undefined) return NOT_UTF8;
  const experience = experienceFromText(agentId, text, mapping.unknownFields);
  if (typeof experience === 'string') return experience;
  return tooLarge('experience', experience, text, mapping) ?? experience;
}

/** Why these fields and values must not be written to the hash of an agent. What is there already is for the script to see. */
export function agentFault(id: string, words: readonly Word[], mapping: RedisMapping): string | undefined {
  const texts: string[] = [];
  for (const word of words) {
    const text = textIn(word);
    if (text === undefined) return NOT_UTF8;
    texts.push(text);
  }
  const agent = agentFromHash(id, texts);
  if (typeof agent === 'string') return agent;
  return entityFault('agent', agent) ?? tooLarge('agent', agent, texts.join(''), mapping);
}

function tooLarge(
  kind: 'agent' | 'policy' | 'q-value' | 'experience',
  entity: Entity,
  text: string,
  { maxChangeBytes, store, writer }: RedisMapping,
): string | undefined {
  if (text.length * BYTES_PER_CHARACTER + SURELY_ENOUGH < maxChangeBytes) return undefined;
  const write = { kind, key: keyOf(kind, entity as never), entity } as EntityWrite;
  const change = changeOf(write, {
    ...{ version: 1, before: null, created: false, eventId: '', capturedAt: 0 },
    origin: { path: 'shim', store, writer },
  });
  return sizeFault(change, maxChangeBytes);
}
