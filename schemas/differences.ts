import { isRecord } from '../core/json.ts';
import type { EntityOf } from './change.ts';
import type { Kind } from './kinds.ts';

/**
 * The fields in which two states of one entity differ, as paths (`attributes.age`); empty when they are equal to the
 * last bit. −0 is not 0, vectors are compared byte by byte, an absent field and a null one are equal.
 */
export function differences<K extends Kind>(left: EntityOf[K], right: EntityOf[K]): readonly string[] {
  const found: string[] = [];
  compareValues(left, right, '', found);
  return found;
}

function compareValues(left: unknown, right: unknown, path: string, found: string[]): void {
  if (Object.is(left, right) || (isAbsent(left) && isAbsent(right))) return;
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    if (Buffer.compare(left, right) !== 0) found.push(path);
    return;
  }
  if (!isRecord(left) || !isRecord(right)) {
    found.push(path);
    return;
  }
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    compareValues(left[name], right[name], path === '' ? name : `${path}.${name}`, found);
  }
}

function isAbsent(value: unknown): boolean {
  return value === null || value === undefined;
}
