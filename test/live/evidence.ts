import type { Op, Path } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';

/** What is known of a run when it is over, gathered by means that are not the product's own. */
export interface Evidence {
  /** What every incarnation of every writer asked for, and what it was told. */
  readonly writes: readonly Write[];
  /** What stood in the legacy stores before anybody captured anything. */
  readonly initial: readonly InitialState[];
  /** All of the log, in the order of each partition. */
  readonly log: readonly LogEntry[];
  readonly targets: readonly TargetState[];
  /** Versions that went down while the run went on (sampler.ts). */
  readonly decreases: readonly Decrease[];
}

/** One thing that an application asked for. */
export interface Write {
  readonly kind: Kind;
  readonly key: string;
  /** Unique among the writes of a kind, and part of the content. */
  readonly token: number;
  /** The state as text (canonical.ts); null for a delete. */
  readonly content: string | null;
  /** Milliseconds of the machine's monotone clock, the same in every process: before the store was asked. */
  readonly askedAt: number;
  /** After it had answered; null for a write whose answer nobody heard: it may have happened or not. */
  readonly acknowledgedAt: number | null;
  /** What the store said; null where the application is told no version. */
  readonly version: number | null;
  /** The store said that it did not do it, and never would. */
  readonly rejected: boolean;
  readonly eventId: string | null;
}

export interface InitialState {
  readonly kind: Kind;
  readonly key: string;
  readonly content: string;
}

export interface LogEntry {
  readonly kind: Kind;
  readonly key: string;
  readonly partition: number;
  readonly offset: number;
  readonly op: Op;
  readonly path: Path;
  readonly version: number;
  readonly eventId: string;
  readonly content: string | null;
}

export interface TargetState {
  readonly name: string;
  readonly kinds: readonly Kind[];
  /** By `placeOf`; what a target has never heard of is not there. */
  readonly states: ReadonlyMap<string, HeldState>;
}

export interface HeldState {
  readonly version: number | null;
  /** Null for a tombstone. */
  readonly content: string | null;
}

export interface Decrease {
  readonly target: string;
  readonly kind: Kind;
  readonly key: string;
  readonly from: number;
  readonly to: number | null;
}

export const VIOLATIONS = ['lost', 'resurrected', 'invented', 'decreased', 'disordered', 'doubled'] as const;

/**
 * - lost: something that was acknowledged, or that is in the log, is not where it has to be.
 * - resurrected: something that was deleted for good is there.
 * - invented: something is there that nobody asked for, or not as it was asked for.
 * - decreased: the version of a key went down in a target.
 * - disordered: the log, or the versions, do not tell the order in which things happened.
 * - doubled: one write is in the log under two versions.
 */
export type ViolationName = (typeof VIOLATIONS)[number];

export interface Violation {
  readonly name: ViolationName;
  readonly kind: Kind;
  readonly key: string;
  readonly detail: string;
}

export function placeOf({ kind, key }: { readonly kind: Kind; readonly key: string }): string {
  return `${kind} ${key}`;
}
