import type { KnownReport } from './orders.ts';

/** A process reports every 5 s, also where it stands still. Of one that has not for so long nothing is expected any more. */
export const SILENT_AFTER_MS = 15_000;

/**
 * How many processes move ranges now, by what they say of themselves in the control topic. A process that was killed does not take its
 * report back, so a report counts for as long as it is news. How old one is that was there before us only the two wall clocks can say;
 * of all others it is seen here. Where the clocks are apart, a process that is there counts from its next report on.
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

  look(reports: readonly KnownReport[], nowMs: number, nowUs: number): void {
    const others = reports.filter(({ process }) => process !== this.#writer);
    const reporting = new Set(others.map(({ process }) => process));
    for (const process of this.#seen.keys()) if (!reporting.has(process)) this.#seen.delete(process);
    for (const { process, atUs } of others) {
      const seen = this.#seen.get(process);
      if (seen?.atUs === atUs) continue;
      const ageMs = seen === undefined ? Math.max(0, (nowUs - atUs) / 1_000) : 0;
      this.#seen.set(process, { atUs, atMs: nowMs - ageMs });
    }
    this.#others = others.filter(({ process, ranges }) => {
      const seenMs = this.#seen.get(process)?.atMs ?? nowMs;
      return ranges > 0 && nowMs - seenMs < SILENT_AFTER_MS;
    }).length;
  }
}
