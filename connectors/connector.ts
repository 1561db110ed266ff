import type { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Closable } from '../core/service.ts';
import type { Change, EntityOf } from '../schemas/change.ts';
import type { ScanKey } from '../schemas/keys.ts';
import type { Kind } from '../schemas/kinds.ts';
import type { ScanRange } from '../schemas/scan-order.ts';
import type { Held } from '../schemas/version.ts';
import type { Capture, CaptureSettings } from './capture.ts';
import type { Upkeep } from './upkeep.ts';

/**
 * The seams of a store. A store folder exports one `Connector`; adding a store costs one folder and one line in the
 * composition root. Every implementation runs against test/contract/ on the real server.
 */

/** What became of one change. */
export type Outcome =
  /** The store now holds this change, or did so already from this very change. */
  | { readonly status: 'applied' }
  /** The store holds something at least as new. */
  | { readonly status: 'stale' }
  /** The store cannot hold this change, and trying again will not help. Nothing of it was written. */
  | { readonly status: 'rejected'; readonly reason: string };

export const APPLIED: Outcome = { status: 'applied' };
export const STALE: Outcome = { status: 'stale' };
export const rejected = (reason: string): Outcome => ({ status: 'rejected', reason });

/**
 * A follower of the log.
 *
 * `apply` takes changes of the sink's kinds in any order, any number of times, several of one key in one batch, and
 * leaves the join of everything it has seen (schemas/version.ts). It answers one outcome per change, in their order,
 * after the store has made the batch durable. It throws (a retryable error) only for what may pass when tried again;
 * then any part of the batch may have been applied, and offering all of it again is safe. A batch is at most some
 * thousands of changes: the store's own limits are the sink's affair.
 *
 * When it has answered or thrown, nothing that it has begun reaches the store any more, as far as the store can be trusted to
 * drop what was given up. A sink of a store that cannot compare and write in one step begins no write that may last longer
 * than the tenure; without one, the caller is the only one.
 */
export interface Sink extends Closable {
  readonly kinds: readonly Kind[];
  apply(changes: readonly Change[], tenure?: Tenure): Promise<readonly Outcome[]>;
  /**
   * What the sink remembers of the store's contents holds no longer: its partitions have moved, so somebody else may have
   * written, or what became of a batch is not known. Called before the next batch is offered.
   */
  forget?(): void;
}

/** For how long nobody else writes the keys of a batch. */
export interface Tenure {
  /** In ms from now, 0 when somebody else may. To be asked before each write: it is prolonged, and cut short where others wait. */
  remainingMs(): number;
}

/** An entity as a source read it. `version` is read before the content, so it is never newer than the content. */
export interface SourceRow<K extends Kind> {
  readonly key: string;
  /** Null where no captured write has touched it: the backfill's generation labels it. */
  readonly version: number | null;
  readonly entity: EntityOf[K];
}

/** Something in a store that is no entity that could be moved. It is reported, and the rest goes on. */
export interface RejectedItem {
  /** Where to find it, in words that its owner understands: a file and line, a Redis key and field, a node's id. */
  readonly where: string;
  readonly reason: string;
}

export interface ScanChunk<K extends Kind> {
  readonly rows: readonly SourceRow<K>[];
  readonly rejected: readonly RejectedItem[];
  /** Everything up to and including this place has been read; a scan `after` it goes on without a gap. */
  readonly last: ScanKey;
}

export interface ScanOptions {
  /** About how many entities a chunk has. A store may give some more or fewer, never an unbounded number. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

/**
 * A store that can be read, by backfill and validation. Tombstones are never rows of a scan.
 *
 * `scan` walks a range in the kind's scan order (schemas/scan-order.ts). An entity that is there during the whole
 * scan is met exactly once; one that comes or goes meanwhile is met once or not at all. Memory is bounded by the
 * limit, not by the store.
 */
export interface Source extends Closable {
  readonly kinds: readonly Kind[];
  /** How many entities there are now (exact where that is cheap), for progress and plans. */
  count(kind: Kind): Promise<number>;
  /** About `parts` ranges of about equal size that cover the kind; at least one. */
  ranges(kind: Kind, parts: number): Promise<readonly ScanRange[]>;
  scan<K extends Kind>(kind: K, range: ScanRange, options: ScanOptions): AsyncIterable<ScanChunk<K>>;
  /**
   * What the store knows of each key, in their order. Undefined for never heard of, or where nothing can be said: what is
   * there is no entity, or it went without a delete; never to be taken for a delete. Read at full consistency.
   */
  get<K extends Kind>(kind: K, keys: readonly string[]): Promise<readonly (Held<K> | undefined)[]>;
}

/** One thing that was looked at before work begins. */
export interface ProbeResult {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do when it is not ok. */
  readonly fix?: string;
}

/** Looks at a store without changing it. Every answer is a row; what cannot be reached is a row that is not ok. */
export interface Probe {
  check(): Promise<readonly ProbeResult[]>;
}

/** An open store: one client, shared by all that it offers. */
export interface Store extends Closable {
  /** As the configuration names it: `legacy.neo4j`, `target.milvus`. The `store` of the changes read from it. */
  readonly name: string;
  /**
   * Makes what the store needs to be used in its role (constraints, indexes, tables, the mark of the role), as often as
   * it is called. Throws `conflict` when the place belongs to the other role already.
   */
  prepare(): Promise<void>;
  readonly source: Source;
  readonly sink: Sink;
  readonly probe: Probe;
  /** How writes of the application are captured; of a legacy store that is opened with the settings for it. */
  readonly capture?: Capture;
  /** How tombstones and stubs are removed that nothing needs any more. */
  readonly upkeep?: Upkeep;
}

export type Role = 'legacy' | 'target';

export interface StoreContext {
  /** As the configuration names it. */
  readonly name: string;
  readonly role: Role;
  readonly kinds: readonly Kind[];
  readonly logger: Logger;
  readonly clock: Clock;
  /** Given where writes are to be captured. */
  readonly capture?: CaptureSettings;
}

/** What a store folder exports. */
export interface Connector<S extends z.ZodType = z.ZodType> {
  readonly name: string;
  /** What the store can hold in each role. */
  readonly kinds: Readonly<Record<Role, readonly Kind[]>>;
  /** True where nobody else may write while consumers do: the store has no conditional write of its own. */
  readonly oneWriter?: true;
  /** The store's section in the configuration. */
  readonly options: S;
  /**
   * Names what such a section takes up of its server. For a store that can have both roles: a legacy and a target section
   * with one name would be the same data. (Two names of one place are found out by the marks that `prepare` leaves.)
   */
  place?(options: z.infer<S>): string;
  /**
   * Opens the client and asks the server for a sign of life. Throws one clear error: `unreachable`,
   * `unauthenticated`, `forbidden`, `unsupported` (version), `no-space`.
   */
  open(options: z.infer<S>, context: StoreContext): Promise<Store>;
}
