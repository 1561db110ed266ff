import type { CapturePath, EntityWrite, WriteResult } from '../../connectors/capture.ts';
import type { Kind } from '../../schemas/kinds.ts';

/**
 * Where the writes of a kind go: the capture of the store that is its origin, or, where the log is written first, the log
 * itself (log-writer.ts). What it promises of `write` stands in connectors/capture.ts.
 */
export interface ChangeWriter {
  write(writes: readonly EntityWrite[], path?: CapturePath): Promise<readonly WriteResult[]>;
}

/** Each kind has exactly one place where it is written; a kind that is not here cannot be written. */
export type Writers = ReadonlyMap<Kind, ChangeWriter>;
