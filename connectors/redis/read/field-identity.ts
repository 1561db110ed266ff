import type { IdentityOf } from '../../../schemas/keys.ts';

const INTEGER = /^(?:0|-?[1-9]\d*)$/;

const IDENTITIES: {
  readonly [K in 'q-value' | 'policy']: (agentId: string, field: string) => IdentityOf[K] | string;
} = {
  // The state may hold `|` itself: the last one parts it from the action.
  'q-value': (agentId, field) => {
    const bar = field.lastIndexOf('|');
    if (bar < 0) return 'has no "|" between state and action';
    const action = Number(field.slice(bar + 1));
    // 01 would be another field for the same action as 1.
    if (!INTEGER.test(field.slice(bar + 1)) || !Number.isSafeInteger(action)) {
      return 'its action is no whole number';
    }
    return bar === 0 ? 'its state is empty' : { agentId, state: field.slice(0, bar), action };
  },
  policy: (agentId, field) => (field === '' ? 'a policy without a name here' : { agentId, name: field }),
};

/** The entity that a field of a hash stands for, or why it stands for none. */
export function fieldIdentity<K extends 'q-value' | 'policy'>(
  kind: K,
  agentId: string,
  field: string,
): IdentityOf[K] | string {
  return IDENTITIES[kind](agentId, field);
}
