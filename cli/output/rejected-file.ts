import { existsSync } from 'node:fs';
import type { RejectedItem } from '../../connectors/connector.ts';
import { ReportFile } from './report-file.ts';

const EXAMPLES = 3;

/** The report of items that could not be moved: one JSON object a line. It is made with the first of them. */
export class RejectedFile {
  readonly #report: ReportFile;
  readonly #first: RejectedItem[] = [];

  constructor(path: string) {
    this.#report = new ReportFile(path);
  }

  get path(): string {
    return this.#report.path;
  }

  get count(): number {
    return this.#report.count;
  }

  /** A few of them, to show. */
  get examples(): readonly RejectedItem[] {
    return this.#first;
  }

  /** Empties what an earlier run has left there; a run that is resumed adds to it. */
  beginAnew(): void {
    if (!existsSync(this.path)) return;
    this.#report.open('w');
    // Opened again to add to it: other processes of the same run may do so, too.
    this.#report.close();
  }

  add(store: string, item: RejectedItem): void {
    this.#report.add({ store, ...item });
    if (this.#first.length < EXAMPLES) this.#first.push(item);
  }

  close(): void {
    this.#report.close();
  }
}
