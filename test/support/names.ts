import { randomBytes } from 'node:crypto';

/** A name that no other test has: letters and digits, starting with a letter, fit for a label, schema or topic. */
export function uniqueName(stem = 't'): string {
  return `${stem}_${randomBytes(5).toString('hex')}`;
}
