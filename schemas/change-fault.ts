import { messageOf } from '../core/errors.ts';
import { textFault } from '../core/text.ts';
import type { Change } from './change.ts';
import { entityFault } from './entity-fault.ts';
import { keyOf, parseKey } from './keys.ts';
import { isVersion } from './version.ts';

/**
 * Why no store may hold this change, or undefined when one may. A sink asks before it writes: what is in the log need
 * not have been written by us, and some stores take NaN, a rounded number or half a character without a word.
 */
export function changeFault(change: Change): string | undefined {
  if (!isVersion(change.version)) return `version ${change.version} is not a positive safe integer`;
  if (change.after === null) return keyFault(change);
  const fault = entityFault(change.kind, change.after as never);
  if (fault !== undefined) return fault;
  // Two keys that mean one entity would go round the guard.
  const key = keyOf(change.kind, change.after as never);
  return key === change.key
    ? undefined
    : `its key is ${JSON.stringify(change.key)}, but its entity's is ${key}`;
}

function keyFault({ kind, key }: Change): string | undefined {
  if (key === '') return 'its key is empty';
  const fault = textFault(key);
  if (fault !== undefined) return `its key ${fault}`;
  try {
    parseKey(kind, key);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
