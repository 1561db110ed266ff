import { isNegativeZero, isRecord, toJson } from '../../../core/json.ts';
import { oversizeNumber } from '../exact-json.ts';
import { MAX_LEVELS } from '../levels.ts';
import { described, isFault, type RowFault, shortened, step } from '../rows.ts';

type Copied = { readonly copy: unknown } | RowFault;

/**
 * A copy of a value that JSON can say, frozen to the last part, or what of it JSON cannot say. As in JSON a property
 * that is undefined is not there. What the value shares with `held`, which was made here before, is shared again.
 */
export function frozenCopy(value: unknown, held: unknown): Copied {
  return copyOf(value, held, '', []);
}

/** `around` has the objects and lists that the value stands in, from the outermost on. */
function copyOf(value: unknown, held: unknown, path: string, around: object[]): Copied {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return { copy: value };
  if (typeof value === 'number') {
    return Number.isFinite(value)
      ? { copy: value }
      : { path, reason: `it is ${value}, which JSON cannot say` };
  }
  if (typeof value !== 'object') return { path, reason: `it is ${described(value)}, which JSON cannot say` };
  if (value === held || oversizeNumber(value) !== undefined) return { copy: value };
  if (around.includes(value))
    return { path, reason: 'it is something that it stands in itself, which JSON cannot say' };
  if (around.length === MAX_LEVELS)
    return { path: shortened(path), reason: `it is nested deeper than ${MAX_LEVELS} levels` };
  around.push(value);
  const copied = Array.isArray(value)
    ? copyOfList(value, held, path, around)
    : copyOfRecord(value, held, path, around);
  around.pop();
  return copied;
}

function copyOfList(list: readonly unknown[], held: unknown, path: string, around: object[]): Copied {
  const heldItems: readonly unknown[] = Array.isArray(held) ? held : [];
  const items: unknown[] = [];
  // Not `entries()`, for a list may have holes, which JSON cannot say either.
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    if (typeof item === 'string') {
      items.push(item);
      continue;
    }
    const found = copyOf(item, heldItems[index], `${path}[${index}]`, around);
    if (isFault(found)) return found;
    items.push(found.copy);
  }
  return { copy: Object.freeze(items) };
}

function copyOfRecord(record: object, held: unknown, path: string, around: object[]): Copied {
  const prototype: unknown = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null)
    return { path, reason: `it is an object of the class ${record.constructor.name}, which JSON cannot say` };
  const heldFields = isRecord(held) ? held : {};
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(record)) {
    const field = (record as Readonly<Record<string, unknown>>)[name];
    if (field === undefined) continue;
    const found = copyOf(field, heldFields[name], path === '' ? name : `${path}${step(name)}`, around);
    if (isFault(found)) return found;
    // An assignment to this name would set the prototype.
    if (name === '__proto__') Object.defineProperty(copy, name, { value: found.copy, enumerable: true });
    else copy[name] = found.copy;
  }
  return { copy: Object.freeze(copy) };
}

/** Freezes a value of ours, which JSON said, to the last part. Parts that are frozen are so throughout already. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

/** As `toJson`, which asks for each part whether it is −0, and so is slow where there is none. */
export function quickJson(value: object): string {
  return holdsNegativeZero(value) ? toJson(value) : JSON.stringify(value);
}

function holdsNegativeZero(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return isNegativeZero(value);
  if (Array.isArray(value)) return value.some(holdsNegativeZero);
  for (const name in value) {
    if (holdsNegativeZero((value as Readonly<Record<string, unknown>>)[name])) return true;
  }
  return false;
}
