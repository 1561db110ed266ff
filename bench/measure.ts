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

/** The greatest resident set that a process has had, in megabytes (Linux' VmHWM). */
export function peakResidentMegabytes(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1000;
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
