import { messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { fileBytes } from './file-bytes.ts';
import { type Line, linesOf } from './lines.ts';
import { inLine, type OnRejected, type Parsed } from './parsed.ts';

export interface Located<T> {
  readonly row: T;
  /** File and line, as reports name them. */
  readonly where: string;
}

export type ParseRecord<T> = (record: Readonly<Record<string, unknown>>) => Parsed<T>;

/** Reads a file of one JSON object a line, plain or gzip. What is no row is rejected, and the rest goes on. */
export async function* readNdjsonFile<T>(
  path: string,
  parse: ParseRecord<T>,
  onRejected: OnRejected,
): AsyncGenerator<Located<T>> {
  const onDamage = (reason: string): void => onRejected({ where: path, reason });
  for await (const line of linesOf(fileBytes(path, onDamage))) {
    const where = inLine(path, line.number);
    const parsed = parseLine(line, parse);
    if ('row' in parsed) yield { row: parsed.row, where };
    else onRejected({ where, reason: parsed.fault });
  }
}

function parseLine<T>(line: Line, parse: ParseRecord<T>): Parsed<T> {
  if ('fault' in line) return line;
  let value: unknown;
  try {
    value = JSON.parse(line.text);
  } catch (error) {
    return { fault: `is not JSON: ${messageOf(error)}` };
  }
  return isRecord(value) ? parse(value) : { fault: 'is not a JSON object' };
}
