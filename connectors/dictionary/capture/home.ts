import type { DictionaryOwner } from '../journal/owner.ts';
import type { DictionaryPaths } from '../paths.ts';
import type { Snapshot } from '../read/snapshot.ts';

/** What capture needs of the dictionary in use that it belongs to. */
export interface CaptureHome {
  readonly paths: DictionaryPaths;
  readonly isOwner: boolean;
  /** What this process owns; undefined while it does not. */
  readonly owned: DictionaryOwner | undefined;
  /** Bytes of an unfinished write that were cut from the journal when this process opened it. */
  readonly cutBytes: number;
  prepare(): Promise<void>;
  /** Becomes the owner, or throws `conflict` while another process is. */
  own(): Promise<DictionaryOwner>;
  withSnapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T>;
}
