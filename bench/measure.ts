import { readFileSync } from 'node:fs';

/** One row of a result table. */
export interface Figure {
  readonly what: string;
  readonly items: number;
  readonly seconds: number;
}

export async function timed(what: string, work: () => Promise<number>): Promise<Figure> {
  const startedMs = performance.now();
  const items = await work();
  return { what, items, seconds: (performance.now() - startedMs) / 1000 };
}

export function perSecond({ items, seconds }: Figure): number {
  return items / seconds;
}

/** The greatest resident set that a process has had, in megabytes (Linux' VmHWM); 0 when it is gone. */
export function peakResidentMegabytes(pid: number | undefined): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(processFile(pid, 'status'))?.[1];
  return Number(kilobytes ?? 0) / 1000;
}

/** Linux counts time in hundredths of a second for user space, whatever the machine. */
const TICKS_PER_SECOND = 100;

/**
 * Processor time that a process has used so far, in all of its threads and in children that have ended, user and
 * system; 0 when it is gone.
 */
export function cpuSeconds(pid: number | undefined): number {
  // Behind the name in brackets, which may hold anything: the state is field 3, the four times are fields 14 to 17.
  const fields = processFile(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_PER_SECOND;
}

function processFile(pid: number | undefined, name: string): string {
  if (pid === undefined) return '';
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

/** Looks at a process ten times a second, because nothing can be asked of one that has ended. */
export class ProcessSampler {
  readonly #timer: NodeJS.Timeout;
  #megabytes = 0;
  #cpuSeconds = 0;

  constructor(pid: number | undefined) {
    this.#timer = setInterval(() => {
      this.#megabytes = Math.max(this.#megabytes, peakResidentMegabytes(pid));
      this.#cpuSeconds = Math.max(this.#cpuSeconds, cpuSeconds(pid));
    }, 100);
  }

  get megabytes(): number {
    return this.#megabytes;
  }

  get cpuSeconds(): number {
    return this.#cpuSeconds;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** A Markdown table, so that a result can go into docs/measurements.md as it is. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

export function whole(value: number): string {
  return value.toLocaleString('en-GB', { maximumFractionDigits: 0 });
}
