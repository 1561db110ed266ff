import type { EntityOf } from '../../schemas/change.ts';
import { isKind, type Kind } from '../../schemas/kinds.ts';

/** Every field of every kind. */
const FIELDS: { readonly [K in Kind]: Readonly<Record<keyof EntityOf[K], true>> } = {
  agent: { id: true, type: true, active: true, attributes: true },
  relationship: { source: true, target: true, type: true, strength: true, since: true, properties: true },
  embedding: { id: true, agentId: true, vector: true, dimension: true, space: true, metadata: true },
  experience: {
    id: true,
    agentId: true,
    episode: true,
    step: true,
    state: true,
    action: true,
    reward: true,
    nextState: true,
    done: true,
    at: true,
  },
  'q-value': { agentId: true, state: true, action: true, value: true, visits: true },
  policy: {
    agentId: true,
    name: true,
    algorithm: true,
    environment: true,
    parameters: true,
    actions: true,
    revision: true,
  },
};

/** Why a mask masks nothing: `agent.attributes.name` is a kind, a field that the kind has, and what is below it. */
export function maskFault(mask: string): string | undefined {
  const [kind = '', field = ''] = mask.split('.');
  if (!isKind(kind)) return `${mask}: there is no kind ${kind}; there are ${Object.keys(FIELDS).join(', ')}`;
  const fields = Object.keys(FIELDS[kind]);
  if (field.includes('*') || fields.includes(field)) return undefined;
  return `${mask}: ${kind} has no field ${field || 'without a name'}; it has ${fields.join(', ')}`;
}
