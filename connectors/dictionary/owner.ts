import { messageOf } from '../../core/errors.ts';
import type { Change } from '../../schemas/change.ts';
import { parseKey, type ScanKey } from '../../schemas/keys.ts';
import { compareScanKeys } from '../../schemas/scan-order.ts';
import { isNewer } from '../../schemas/version.ts';
import { APPLIED, type Outcome, rejected, STALE } from '../connector.ts';
import { compactionSteps, recoverCompaction, removeLeftovers, runSteps } from './compaction.ts';
import { translated } from './errors.ts';
import { encodeEntry } from './journal-entries.ts';
import { type Lock, takeLock } from './lock.ts';
import { claim } from './schema.ts';
import type { Snapshot } from './snapshot.ts';
import { agentPlace, tiePlace } from './versions-file.ts';
import { assertAlone, assertSound, openForWriting, type Writable, type WritableOptions } from './writable.ts';

/** A change that the journal can take. */
interface Offered {
  readonly change: Change;
  /** As the versions file sorts it. */
  readonly place: ScanKey;
  /** As the journal takes it. */
  readonly entry: Buffer;
}

/** A change that it never can. */
interface Refused {
  readonly fault: string;
}

const MAX_ENTRY_BYTES = 8 * 1024 * 1024;
const FRAME_BYTES = 16 * 1024 * 1024;

/**
 * The one process that writes: guard, journal, fsync, then memory. Works one batch after the other. When it does not
 * know any more what the disk holds it says so (`broken`), and has to be opened anew.
 */
export class DictionaryOwner {
  readonly #options: WritableOptions;
  readonly #lock: Lock;
  readonly #inOrder = serial();
  #present: Writable;
  #broken = false;
  #closed: Promise<void> | undefined;
  /** Bytes of an unfinished write that were cut from the journal when it was opened. */
  readonly cutBytes: number;

  private constructor(options: WritableOptions, lock: Lock, present: Writable) {
    this.#options = options;
    this.#lock = lock;
    this.#present = present;
    this.cutBytes = present.cutBytes;
  }

  /** Throws `conflict` when another process owns it, or when it belongs to the other role. */
  static async open(options: WritableOptions): Promise<DictionaryOwner> {
    const { paths, logger } = options;
    const lock = await takeLock(paths.lock);
    try {
      await claim(options);
      await recoverCompaction(paths, logger);
      const present = await openForWriting(options);
      try {
        await assertSound(present.snapshot, options.settings.maxAgentBytes);
      } catch (error) {
        await present.snapshot.release();
        throw error;
      }
      return new DictionaryOwner(options, lock, present);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get broken(): boolean {
    return this.#broken || this.#present.journal.broken !== undefined;
  }

  get snapshot(): Snapshot {
    return this.#present.snapshot;
  }

  /** Applies sound changes, each key at most once. Answers when what it applied is durable. */
  apply(changes: readonly Change[]): Promise<readonly Outcome[]> {
    return this.#inOrder(async () => {
      if (this.#isFull) await this.#compact();
      const offered = changes.map(checked);
      const held = await this.#versionsOf(offered);
      const accepted: Offered[] = [];
      const outcomes = offered.map((offer, at): Outcome => {
        if ('fault' in offer) return rejected(offer.fault);
        if (!isNewer(offer.change.version, held[at])) return STALE;
        accepted.push(offer);
        return APPLIED;
      });
      const { journal, snapshot } = this.#present;
      for (const frame of inFrames(accepted)) {
        await journal.append(Buffer.concat(frame.map(({ entry }) => entry)));
        for (const { change } of frame) snapshot.overlay.put(change);
      }
      return outcomes;
    });
  }

  compact(): Promise<void> {
    return this.#inOrder(() => this.#compact());
  }

  /** Lets go of everything. Closing twice is harmless. */
  close(): Promise<void> {
    this.#closed ??= this.#inOrder(async () => {
      const { settings, logger, paths } = this.#options;
      try {
        const worthIt = settings.compactOnClose && this.snapshot.overlay.entries > 0 && !this.broken;
        if (worthIt) await this.#compact();
      } catch (error) {
        // Nothing is lost: it is all in the journal.
        logger.warn(
          { file: paths.base, error: messageOf(error) },
          'the journal could not be folded into the file',
        );
      } finally {
        await this.#present.journal.drain();
        await this.snapshot.release();
        await this.#lock.release();
      }
    });
    return this.#closed;
  }

  get #isFull(): boolean {
    const { compactAfterBytes, compactAfterEntries } = this.#options.settings;
    const { journal, snapshot } = this.#present;
    return journal.end > compactAfterBytes || snapshot.overlay.entries >= compactAfterEntries;
  }

  async #versionsOf(offered: readonly (Offered | Refused)[]): Promise<readonly (number | null)[]> {
    const { overlay, versions } = this.snapshot;
    const held = offered.map((offer) => ('fault' in offer ? null : (overlay.versionOf(offer.place) ?? null)));
    if (versions === undefined) return held;
    const unknown = offered
      .flatMap((offer, at) => ('fault' in offer || held[at] !== null ? [] : [{ at, place: offer.place }]))
      .sort((left, right) => compareScanKeys(left.place, right.place));
    const lines = await translated(`read ${this.#options.paths.versions}`, () =>
      versions.lines.find(unknown.map(({ place }) => place)),
    );
    for (const [index, { at }] of unknown.entries()) held[at] = lines[index]?.[0]?.version ?? null;
    return held;
  }

  async #compact(): Promise<void> {
    const { paths, settings, logger } = this.#options;
    const old = this.#present;
    const [write, ...others] = compactionSteps({
      paths,
      snapshot: old.snapshot,
      header: old.header,
      maxAgentBytes: settings.maxAgentBytes,
      logger,
      appendFrame: (payload) => old.journal.appendFrame(payload),
    });
    await assertAlone(paths, old.snapshot);
    try {
      if (write !== undefined) await runSteps(paths, [write]);
      await assertAlone(paths, old.snapshot);
    } catch (error) {
      // Nothing has happened yet. A disk that has become full gets its room back.
      await removeLeftovers(paths);
      throw error;
    }
    try {
      await runSteps(paths, others);
      this.#present = await openForWriting(this.#options);
    } catch (error) {
      this.#broken = true;
      throw error;
    }
    await old.snapshot.release();
  }
}

/** The change as it would be written, or why it cannot be: known before anything is. */
function checked(change: Change): Offered | Refused {
  const { kind, key } = change;
  const place = kind === 'agent' ? agentPlace(key) : tiePlace(parseKey('relationship', key));
  const entry = encodeEntry({ ...change, before: null } as Change);
  if (entry.byteLength > MAX_ENTRY_BYTES)
    return {
      fault: `it has ${entry.byteLength} bytes, more than the ${MAX_ENTRY_BYTES} of a journal's entry`,
    };
  return { change, place, entry };
}

/** Parts what was accepted into frames of bounded size. */
function* inFrames(accepted: readonly Offered[]): Generator<readonly Offered[]> {
  let frame: Offered[] = [];
  let bytes = 0;
  for (const offer of accepted) {
    frame.push(offer);
    bytes += offer.entry.byteLength;
    if (bytes < FRAME_BYTES) continue;
    yield frame;
    frame = [];
    bytes = 0;
  }
  if (frame.length > 0) yield frame;
}

/** Runs works one after the other, in the order in which they were asked for; a failure stops only its own. */
export function serial(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine.catch(() => {});
    return mine;
  };
}
