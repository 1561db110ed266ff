import { randomUUID } from 'node:crypto';
import { ChangeoverError, messageOf } from '../../../core/errors.ts';
import type { Change, EntityOf } from '../../../schemas/change.ts';
import { keyOf } from '../../../schemas/keys.ts';
import type { Kind } from '../../../schemas/kinds.ts';
import { RECORD_OVERHEAD_BYTES } from '../../../schemas/record-size.ts';
import { nextVersion } from '../../../schemas/version.ts';
import type { CapturePath, CaptureSettings, EntityWrite } from '../../capture.ts';
import { fullOutbox } from '../../outbox-errors.ts';
import type { OutboxOptions } from '../../outbox-options.ts';
import { changeOf } from '../../write-fault.ts';
import {
  type EncodedChange,
  encodeCaptured,
  encodeValue,
  LOST,
  NOT_CAPTURED,
} from '../capture/captured-entries.ts';
import type { OutboxTally, RememberedEvent } from '../capture/outbox-tally.ts';
import type { RawAgent } from '../rows.ts';
import { Draft } from './draft.ts';
import type { PlacesView } from './places.ts';

/** What planning goes by and does not change. */
export interface PlanSettings {
  readonly capture: CaptureSettings;
  /** Those of the store whose writes are captured. */
  readonly kinds: readonly Kind[];
  readonly outbox: OutboxOptions;
  readonly store: string;
  readonly nowUs: number;
}

/** An agent as the application wrote it, and what the journal has of it. */
export interface RawWithJson {
  readonly raw: RawAgent;
  readonly json: Buffer;
}

/** A change that is ready for the journal. */
export interface PlannedEntry {
  readonly change: Change;
  readonly bytes: Buffer;
  readonly number: number;
  readonly named: boolean;
  readonly raw: RawAgent | undefined;
}

/** What is counted while planning; begins as the last durable plan left it. */
export interface Counts {
  lastVersion: number;
  lastNumber: number;
  /** Entries in the outbox that the log had not confirmed when that was looked up, and those planned since. */
  waiting: number;
  /** Whether it was looked up for this plan. What was relayed since an older look is counted in `waiting`. */
  waitingIsFresh: boolean;
}

/** The outbox looks full by an old count: it has to be counted anew, and what was being planned be planned once more. */
export class OldCount extends Error {}

/** A write that is sound, and has not been made yet. */
export interface Prepared {
  readonly write: EntityWrite;
  readonly encoded: EncodedChange;
  readonly change: Change;
  readonly raw: RawWithJson | undefined;
}

interface PrepareMore {
  readonly raw?: RawWithJson | undefined;
  readonly path?: CapturePath | undefined;
  /** Whether it counts as new, where that is not what the state says. */
  readonly created?: boolean;
}

/** Plans writes one after the other: each sees those before it. Given up, it leaves nothing behind. */
export class WritePlan {
  readonly settings: PlanSettings;
  readonly draft: Draft;
  readonly entries: PlannedEntry[] = [];
  readonly counts: Counts;
  readonly #events = new Map<string, RememberedEvent>();
  readonly #eventBefore: (eventId: string) => RememberedEvent | undefined;
  /** The outbox was found full by the write that is being planned, and the policy is to drop. */
  #drops = false;
  bytes = 0;

  private constructor(
    settings: PlanSettings,
    under: PlacesView,
    counts: Counts,
    eventBefore: (eventId: string) => RememberedEvent | undefined,
  ) {
    this.settings = settings;
    this.draft = new Draft(under);
    this.counts = { ...counts };
    this.#eventBefore = eventBefore;
  }

  static over(settings: PlanSettings, under: PlacesView, counts: Counts, tally: OutboxTally): WritePlan {
    return new WritePlan(settings, under, counts, (eventId) => tally.eventOf(eventId, settings.nowUs));
  }

  /** A plan of its own that can be given up, or become a part of this one. */
  branch(): WritePlan {
    return new WritePlan(this.settings, this.draft, this.counts, (eventId) => this.eventOf(eventId));
  }

  merge(branch: WritePlan): void {
    branch.draft.commitTo(this.draft);
    this.entries.push(...branch.entries);
    this.bytes += branch.bytes;
    Object.assign(this.counts, branch.counts);
    for (const [eventId, event] of branch.#events) this.#events.set(eventId, event);
  }

  eventOf(eventId: string): RememberedEvent | undefined {
    return this.#events.get(eventId) ?? this.#eventBefore(eventId);
  }

  /** What the relay has confirmed was looked up just now; `waiting` are left of what is in the journal and planned. */
  recount(waiting: number): void {
    Object.assign(this.counts, { waiting, waitingIsFresh: true });
  }

  /**
   * Before each write of an application: is there room in the outbox? Throws `outbox-full` where it may not go on
   * without, `OldCount` where that cannot be told before it is counted anew.
   */
  begin(): void {
    const { maxEntries, whenFull } = this.settings.outbox;
    const { waiting, waitingIsFresh } = this.counts;
    const isFull = waiting >= maxEntries;
    if (isFull && !waitingIsFresh) throw new OldCount();
    this.#drops = isFull;
    if (this.#drops && whenFull === 'refuse') throw fullOutbox(this.settings.store, maxEntries);
  }

  /** Encodes a write of which nothing is planned yet; throws `change-rejected` when the log would not take it. */
  prepare(write: EntityWrite, { raw, path = 'shim', created }: PrepareMore = {}): Prepared {
    const { capture, store, nowUs } = this.settings;
    const before = this.#stateOf(write.kind, write.key);
    const change = changeOf(write, {
      version: nextVersion(this.counts.lastVersion, nowUs),
      before: write.entity === null ? (before ?? null) : null,
      created: created ?? before === undefined,
      origin: { path, store, writer: capture.writer },
      eventId: write.eventId ?? randomUUID(),
      capturedAt: nowUs,
    });
    const encoded = encodedOrRejected(change, capture.maxChangeBytes);
    return 'encoded' in encoded ? { write, raw, ...encoded } : rejectWrite(change, encoded.fault);
  }

  /** Plans the entry of a prepared write. What it does to the state is the caller's part. */
  add({ write, change, encoded, raw }: Prepared): number {
    const { counts } = this;
    // Prepared before others were added, it may have to be stamped anew.
    const version = nextVersion(counts.lastVersion, this.settings.nowUs);
    const stamped = change.version === version ? change : ({ ...change, version } as Change);
    const value = stamped === change ? encoded : encodeValue(stamped);
    const number = this.#numberFor(change.kind);
    const named = write.eventId !== undefined;
    const bytes = encodeCaptured({ change: stamped, encoded: value, number, named, json: raw?.json });
    this.entries.push({ change: stamped, bytes, number, named, raw: raw?.raw });
    this.bytes += bytes.byteLength;
    counts.lastVersion = version;
    if (number > 0) {
      counts.lastNumber = number;
      counts.waiting++;
    }
    if (write.eventId !== undefined)
      this.#events.set(write.eventId, { version, capturedAt: this.settings.nowUs });
    return version;
  }

  #numberFor(kind: Kind): number {
    if (!this.settings.kinds.includes(kind)) return NOT_CAPTURED;
    return this.#drops ? LOST : this.counts.lastNumber + 1;
  }

  #stateOf(kind: EntityWrite['kind'], key: string): EntityOf['agent' | 'relationship'] | undefined {
    if (kind === 'agent') return this.draft.place(key)?.agent;
    return kind === 'relationship' ? this.draft.tie(key) : undefined;
  }
}

/** What the application wrote before may be larger than the log takes; then it is left out. */
function encodedOrRejected(
  change: Change,
  maxChangeBytes: number,
): { readonly change: Change; readonly encoded: EncodedChange } | { readonly fault: string } {
  let encoded: EncodedChange;
  try {
    encoded = encodeValue(change);
  } catch (error) {
    return { fault: messageOf(error).slice(0, 200) };
  }
  const bytes = encoded.keyBytes + encoded.value.byteLength + RECORD_OVERHEAD_BYTES;
  if (bytes <= maxChangeBytes) return { change, encoded };
  if (change.before !== null) return encodedOrRejected({ ...change, before: null } as Change, maxChangeBytes);
  return { fault: `its change has ${bytes} bytes, more than the ${maxChangeBytes} that the log takes` };
}

export function rejectWrite({ kind, key }: Pick<Change, 'kind' | 'key'>, reason: string): never {
  throw new ChangeoverError('change-rejected', reason, {
    hint: `Nothing was written. Correct the ${kind} ${key}.`,
  });
}

export function tieKeyOf(identity: Pick<EntityOf['relationship'], 'source' | 'type' | 'target'>): string {
  return keyOf('relationship', identity);
}
