import type { Scalar } from '../../schemas/change.ts';
import type { LegacyAgent } from '../legacy-shapes.ts';

/** The fields that an agent has beside its attributes where both stand side by side, in a hash or on a node. */
const OWN_FIELDS = ['id', 'type', 'active'] as const;

/** An agent with its attributes beside its own fields; absent and null attributes are left out. */
export function flatAgent({ id, type, active, attributes }: LegacyAgent): Readonly<Record<string, Scalar>> {
  const flat: Record<string, Scalar> = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== null) flat[name] = value;
  return Object.assign(flat, { id, type, active });
}

/** Why an agent cannot be laid flat, or undefined when it can. */
export function flatAgentFault({ attributes }: LegacyAgent): string | undefined {
  const taken = OWN_FIELDS.find((name) => Object.hasOwn(attributes, name));
  if (taken !== undefined) return `an attribute is named ${taken}, which is a field of the agent itself here`;
  return Object.hasOwn(attributes, '') ? 'an attribute has no name' : undefined;
}
