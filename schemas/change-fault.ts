import { messageOf } from '../core/errors.ts';
import type { Change } from './change.ts';
import { entityFault, identityFault } from './entity-fault.ts';
import { keyOf, parseKey } from './keys.ts';
import type { Kind } from './kinds.ts';
import { isVersion } from './version.ts';

/**
 * Why no store may hold this change, or undefined when one may. A sink asks before it writes: what is in the log need
 * not have been written by us, and some stores take NaN, a rounded number or half a character without a word.
 */
export function changeFault(change: Change): string | undefined {
  if (!isVersion(change.version)) return `version ${change.version} is not a positive safe integer`;
  if (change.after === null) return keyFault(change);
  const fault = entityFault<Kind>(change.kind, change.after);
  if (fault !== undefined) return fault;
  // Two texts that mean one entity would go round the guard.
  const key = keyOf<Kind>(change.kind, change.after);
  return key === change.key
    ? undefined
    : `its key is ${JSON.stringify(change.key)}, but its entity's is ${key}`;
}

/** The key is all that there is of a delete. */
function keyFault({ kind, key }: Change): string | undefined {
  try {
    const identity = parseKey<Kind>(kind, key);
    const fault = identityFault<Kind>(kind, identity);
    if (fault !== undefined) return `its key is no key: ${fault}`;
    const proper = keyOf<Kind>(kind, identity);
    return proper === key ? undefined : `its key is ${JSON.stringify(key)}, but it is written ${proper}`;
  } catch (error) {
    return messageOf(error);
  }
}
