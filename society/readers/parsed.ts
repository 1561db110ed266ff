import type { RejectedItem } from '../../connectors/connector.ts';

/** What a piece of a file turned out to be: a row, or why it is none. */
export type Parsed<T> = { readonly row: T } | { readonly fault: string };

export type OnRejected = (item: RejectedItem) => void;

export function inLine(path: string, line: number): string {
  return `${path}, line ${line}`;
}
