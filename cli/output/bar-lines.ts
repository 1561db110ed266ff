import type { Pace } from './pace.ts';

const MIN_BAR = 8;
const MAX_BAR = 40;
/** Widths that do not jump when a number becomes longer. */
const MIN_SPEED = '99,999/s'.length;
const MIN_LEFT = '59 min 59 s left'.length;
const GAP = '  ';

/** The cells of one column, all of the same width. */
type Column = readonly string[];

/**
 * One line for each, none wider than the terminal: the name, how much of it, and how long it will take, always; the counts
 * and the speed where there is room for them and a bar. With `ended`, what has not finished will take no more time.
 */
export function barLines(paces: readonly Pace[], columns: number, ended = false): readonly string[] {
  const names = padded(paces, ({ name }) => name, 'padEnd');
  const percents = padded(
    paces,
    ({ fraction }) => `${Math.floor(fraction * 100)}%`,
    'padStart',
    '100%'.length,
  );
  const counts = padded(paces, ({ done, goal }) => `${done.padStart(goal.length)}/${goal}`, 'padStart');
  const speeds = padded(paces, ({ speed }) => speed, 'padStart', MIN_SPEED);
  const lefts = padded(paces, (pace) => (ended && !pace.isFinished ? '' : pace.left), 'padEnd', MIN_LEFT);

  // The last column stays free: a terminal may wrap when it is written to.
  const width = Math.max(columns - 1, 1);
  const heads = paces.map((_, row) => `${names[row]} ${percents[row]}`);
  const roomFor = (tail: readonly Column[]): number => width - widthOf([heads, ...tail]) - GAP.length;
  const tails = [[counts, speeds, lefts], [counts, lefts], [lefts]];
  const tail = tails.find((each) => roomFor(each) >= MIN_BAR) ?? [lefts];
  const room = Math.min(MAX_BAR, roomFor(tail));
  const bars = room < MIN_BAR ? [] : [paces.map(({ fraction }) => barText(fraction, room))];
  return heads.map((_, row) =>
    [heads, ...bars, ...tail]
      .map((cells) => `${GAP}${cells[row]}`)
      .join('')
      .trimEnd()
      .slice(0, width),
  );
}

function padded(
  paces: readonly Pace[],
  cellOf: (pace: Pace) => string,
  pad: 'padStart' | 'padEnd',
  least = 0,
): Column {
  const cells = paces.map(cellOf);
  const width = Math.max(least, ...cells.map((cell) => cell.length));
  return cells.map((cell) => cell[pad](width));
}

function widthOf(columns: readonly Column[]): number {
  return columns.reduce((sum, cells) => sum + GAP.length + (cells[0]?.length ?? 0), 0);
}

function barText(fraction: number, length: number): string {
  const full = Math.floor(fraction * length);
  return '='.repeat(full) + '-'.repeat(length - full);
}
