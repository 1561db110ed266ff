import { externalSort } from '../../../core/external-sort.ts';
import { compareCodePoints } from '../../../core/text.ts';

/** Two sorts may be under way for each of several kinds, in a process that is to stay small. */
const LINES_IN_MEMORY = 25_000;

/** The lines in order, each once; in bounded memory, however many there are. */
export function sortLines(lines: AsyncIterable<string>): AsyncIterable<string> {
  return externalSort(lines, { compare: compareCodePoints, unique: true, linesInMemory: LINES_IN_MEMORY });
}
