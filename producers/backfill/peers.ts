import type { KnownReport } from './orders.ts';

/** A process reports every 5 s, also where it stands still. Of one that has not for so long nothing is expected any more. */
export const SILENT_AFTER_MS = 15_000;

/**
 * How many processes move ranges now, by what they say of themselves in the control topic. Whether a report is news is seen
 * here and by our own clock: those of other hosts may differ, and a process that was killed does not take its report back.
 */
export class Peers {
  readonly #writer: string;
  readonly #seen = new Map<string, { readonly atUs: number; readonly atMs: number }>();
  #others = 0;

  constructor(writer: string) {
    this.#writer = writer;
  }

  /** Among how many the operator's rate is divided: this one, and all others that have something to do. */
  get sharers(): number {
    return 1 + this.#others;
  }

  look(reports: readonly KnownReport[], nowMs: number): void {
    const others = reports.filter(({ process }) => process !== this.#writer);
    const reporting = new Set(others.map(({ process }) => process));
    for (const process of this.#seen.keys()) if (!reporting.has(process)) this.#seen.delete(process);
    for (const { process, atUs } of others) {
      if (this.#seen.get(process)?.atUs !== atUs) this.#seen.set(process, { atUs, atMs: nowMs });
    }
    this.#others = others.filter(({ process, ranges }) => {
      const seenMs = this.#seen.get(process)?.atMs ?? nowMs;
      return ranges > 0 && nowMs - seenMs < SILENT_AFTER_MS;
    }).length;
  }
}
