import type { Agent, Scalar } from '../../../schemas/change.ts';
import { fromField, fromText, toField, toText } from './hash-text.ts';

/** Fields of an agent's hash at most. More would have to be read and sent in one piece. */
export const MAX_AGENT_FIELDS = 10_000;

/** What an agent is that its application says nothing of. */
const DEFAULT_TYPE = 'agent';

/** Field, value, field, value, …: id, type, active, and a field per attribute. */
export function agentToHash({ id, type, active, attributes }: Agent): readonly string[] {
  const fields = ['id', id, 'type', type, 'active', String(active)];
  for (const [name, value] of Object.entries(attributes)) fields.push(toField(name), toText(value));
  return fields;
}

const TRUE = /^(?:true|1)$/i;
const FALSE = /^(?:false|0)$/i;

/** The agent in a hash, or why there is none. `keyId` is the id that the key says. */
export function agentFromHash(keyId: string, fields: readonly string[]): Agent | string {
  let id = keyId;
  let type = DEFAULT_TYPE;
  let active = true;
  const attributes: [string, Scalar][] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const field = fields[index] ?? '';
    const text = fields[index + 1] ?? '';
    if (field === 'id') id = text;
    else if (field === 'type') type = text;
    else if (field === 'active') {
      if (!TRUE.test(text) && !FALSE.test(text)) return `active is neither true nor false: ${text}`;
      active = TRUE.test(text);
    } else attributes.push([fromField(field), fromText(text)]);
  }
  if (id !== keyId) return `its field id says ${JSON.stringify(id)}`;
  // Unlike assignment, this keeps an attribute that is called __proto__, so that it is seen and refused.
  return { id, type, active, attributes: Object.fromEntries(attributes) };
}
