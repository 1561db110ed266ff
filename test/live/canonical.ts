import { isNegativeZero } from '../../core/json.ts';

/**
 * One text per state: two entities have the same text exactly when they are equal to the last bit. Names are sorted,
 * −0 is not 0, and a vector is its bytes.
 */
export function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `"x${Buffer.from(value).toString('hex')}"`;
  if (isNegativeZero(value)) return '-0';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}
