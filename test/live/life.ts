import type { LivePlaces } from './live-places.ts';
import type { PlannedKill, Role } from './plan.ts';
import type { WriterOptions } from './writer-options.ts';

/** The exit code of a command whose server was too busy to answer in time: it is started again. */
export const UNREACHABLE = 6;

export interface Killed {
  readonly store: string;
  readonly point: PlannedKill['point'];
}

/** A process that ended by itself, and should not have. */
export interface Failure {
  readonly role: Role | 'validate';
  readonly store: string | undefined;
  readonly code: number | null;
  readonly stderr: string;
}

export interface LifeOptions {
  readonly places: { readonly migration: Pick<LivePlaces['migration'], 'folder' | 'configFile'> };
  readonly writer: (incarnation: number) => WriterOptions | undefined;
  /** Instead of that of the places. */
  readonly configFile?: string;
  /** Whether it is in order that a process ends with this code, having said this; by default, where a server was too busy. */
  readonly isPassing?: (code: number | null, said: string) => boolean;
  /** Entities a second of a backfill, which begins again when it has come to its end. */
  readonly backfillRate?: number;
  /** What a process that is started now finds in its environment, beside ours. */
  readonly environment?: () => Readonly<Record<string, string>>;
  readonly onKilled: (killed: Killed) => void;
  readonly onFailure: (failure: Failure) => void;
}
