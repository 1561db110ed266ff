import { messageOf } from '../../../core/errors.ts';
import { serial } from '../../../core/serial.ts';
import type { Change } from '../../../schemas/change.ts';
import { compareScanKeys } from '../../../schemas/scan-order.ts';
import { isNewer } from '../../../schemas/version.ts';
import { APPLIED, type Outcome, rejected, STALE } from '../../connector.ts';
import type { OutboxTally } from '../capture/outbox-tally.ts';
import { translated } from '../errors.ts';
import { loadPlaces } from '../observed/load-places.ts';
import type { Places } from '../observed/places.ts';
import type { Snapshot } from '../read/snapshot.ts';
import { claim } from '../schema.ts';
import type { Forgets } from './compacted-versions.ts';
import { compactionSteps, recoverCompaction, removeLeftovers, runSteps } from './compaction.ts';
import { type Lock, takeLock } from './lock.ts';
import { checked, inFrames, type Offered, type Refused } from './offered.ts';
import { assertAlone, assertSound, openForWriting, type Writable, type WritableOptions } from './writable.ts';

/** What who writes has to itself while it works. */
export interface Owned extends Writable {
  /** Names the outbox. */
  readonly outbox: string;
  readonly tally: OutboxTally;
  /** All of the dictionary, in memory. */
  readonly places: Places;
}

/**
 * The one process that writes: guard, journal, fsync, then memory. Works one batch after the other. When it does not
 * know any more what the disk holds it says so (`broken`), and has to be opened anew.
 */
export class DictionaryOwner {
  readonly #options: WritableOptions;
  readonly #lock: Lock;
  readonly #inOrder = serial();
  #present: Writable;
  #places: Places | undefined;
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
      const { journal, snapshot, tally } = this.#present;
      for (const frame of inFrames(accepted)) {
        await journal.append(Buffer.concat(frame.map(({ entry }) => entry)));
        for (const { change } of frame) {
          snapshot.overlay.put(change);
          tally.noteVersion(change.version);
          this.#places?.follow(change);
        }
      }
      return outcomes;
    });
  }

  /** Runs work that writes, alone, with the whole dictionary in memory: it is read when that is first asked for. */
  exclusively<T>(work: (owned: Owned) => Promise<T>): Promise<T> {
    return this.#inOrder(async () => {
      if (this.#isFull) await this.#compact();
      this.#places ??= await this.#load();
      const { header, tally } = this.#present;
      return work({ ...this.#present, outbox: header.outbox, tally, places: this.#places });
    });
  }

  /** How far the journal is durable. */
  get durableEnd(): { readonly salt: number; readonly end: number } {
    const { header, journal } = this.#present;
    return { salt: header.salt, end: journal.end };
  }

  /** Undefined until somebody has asked to write with all of it in memory. */
  get places(): Places | undefined {
    return this.#places;
  }

  /** Folds the journal into the file; the tombstones that it is told to forget are not in it any more. */
  compact(forgets?: Forgets): Promise<void> {
    return this.#inOrder(() => this.#compact(forgets));
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
    const { journal, snapshot, tally } = this.#present;
    // What the last journal handed on is no reason to begin the next one.
    return (
      journal.end - tally.handedOnEnd > compactAfterBytes || snapshot.overlay.entries >= compactAfterEntries
    );
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

  async #load(): Promise<Places> {
    const { logger, settings } = this.#options;
    const { snapshot, tally } = this.#present;
    const { maxAgentBytes } = settings;
    const { places, lastVersion } = await loadPlaces({ snapshot, maxAgentBytes, logger });
    tally.noteVersion(lastVersion);
    return places;
  }

  async #compact(forgets?: Forgets): Promise<void> {
    const { paths, settings, logger } = this.#options;
    const old = this.#present;
    const [write, ...others] = compactionSteps({
      paths,
      snapshot: old.snapshot,
      header: old.header,
      maxAgentBytes: settings.maxAgentBytes,
      logger,
      appendFrame: (payload) => old.journal.appendFrame(payload),
      ...(forgets && { forgets }),
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
      this.#present.tally.noteVersion(old.tally.lastVersion);
    } catch (error) {
      this.#broken = true;
      throw error;
    }
    await old.snapshot.release();
  }
}
