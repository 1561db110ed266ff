import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ChangeoverError, type ErrorCode, messageOf, systemCodeOf } from '../../core/errors.ts';

const MEANINGS: Readonly<Record<string, { readonly code: ErrorCode; readonly hint: string }>> = {
  ENOSPC: { code: 'no-space', hint: 'Make room on that disk, or name a file on another one, and run again.' },
  EDQUOT: { code: 'no-space', hint: 'Make room on that disk, or name a file on another one, and run again.' },
};
const ELSE = { code: 'usage', hint: 'Name a file that this user can write.' } as const;

/**
 * A report that an operator reads: one JSON object a line. A line is with the operating system when `add` returns, so
 * that what is done next (writing down that the line was dealt with) cannot survive a kill that the line does not.
 */
export class ReportFile {
  readonly path: string;
  #file: number | undefined;
  #count = 0;

  constructor(path: string) {
    this.path = path;
  }

  get count(): number {
    return this.#count;
  }

  /** Makes the file now, so that one that cannot be written is found out before the work. `w` empties it, `a` adds. */
  open(flags: 'w' | 'a'): void {
    this.#try(() => {
      mkdirSync(dirname(this.path), { recursive: true });
      this.#file = openSync(this.path, flags);
    });
  }

  add(item: object): void {
    if (this.#file === undefined) this.open('a');
    const line = Buffer.from(`${JSON.stringify(item)}\n`);
    this.#try(() => {
      for (let written = 0; written < line.byteLength; ) {
        written += writeSync(this.#file ?? -1, line, written);
      }
    });
    this.#count += 1;
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) this.#try(() => closeSync(file));
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      const { code, hint } = MEANINGS[systemCodeOf(error) ?? ''] ?? ELSE;
      throw new ChangeoverError(code, `Cannot write the report ${this.path}: ${messageOf(error)}`, {
        hint,
        cause: error,
      });
    }
  }
}
