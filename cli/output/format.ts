/** Numbers and times as people read them. */

const wholeNumber = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

export function count(value: number): string {
  return wholeNumber.format(value);
}

const exactNumber = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 3 });

/** What somebody has asked for, as he did: 1.5 is not 2. */
export function exact(value: number): string {
  return exactNumber.format(value);
}

const PLURALS: Readonly<Record<string, string>> = {
  policy: 'policies',
  entity: 'entities',
  entry: 'entries',
};

export function items(value: number, noun: string): string {
  return `${count(value)} ${value === 1 ? noun : (PLURALS[noun] ?? `${noun}s`)}`;
}

export function rate(itemCount: number, elapsedMs: number): string {
  return `${count(itemCount / Math.max(elapsedMs / 1000, 1e-3))}/s`;
}

/** `350 MB` */
export function bytes(value: number): string {
  return `${count(value / 1_000_000)} MB`;
}

/** `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min` */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** Columns padded to their widest cell; numbers to the right, also where a cell between them is empty. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [
    header,
    ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell))),
  ];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const isNumber = header.map(
    (_, column) =>
      rows.some((row) => typeof row[column] === 'number') &&
      rows.every((row) => typeof row[column] === 'number' || row[column] === ''),
  );
  const lines = cells.map((row) =>
    row
      .map((cell, column) =>
        isNumber[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}
