import { ChangeoverError } from '../../core/errors.ts';
import { serial } from '../../core/serial.ts';
import type { Change } from '../../schemas/change.ts';
import type { Outcome, StoreContext } from '../connector.ts';
import { DictionaryCapture } from './capture/capture.ts';
import type { CaptureHome } from './capture/home.ts';
import { isMissing } from './errors.ts';
import { DictionaryOwner } from './journal/owner.ts';
import type { WritableOptions } from './journal/writable.ts';
import type { DictionaryOptions } from './options.ts';
import { type DictionaryPaths, dictionaryPaths } from './paths.ts';
import { catchUp, isUpToDate, openSnapshot } from './read/open-snapshot.ts';
import type { Snapshot } from './read/snapshot.ts';
import { prepareDictionary } from './schema.ts';

/**
 * A dictionary in use. It is read by anybody; to be written to it is owned, from the first change on. Reading goes by
 * the owner's own state where this process is the owner, else by the files: what another process has written since is
 * taken over each time that something is asked for, while what is being walked stays one state.
 */
export class DictionaryClient implements CaptureHome {
  readonly paths: DictionaryPaths;
  readonly #options: WritableOptions;
  readonly #oneAtATime = serial();
  #owner: DictionaryOwner | undefined;
  #reader: Snapshot | undefined;
  #closed = false;
  /** Where writes are captured. */
  readonly capture: DictionaryCapture | undefined;

  constructor(settings: DictionaryOptions, context: StoreContext) {
    this.paths = dictionaryPaths(settings.file);
    const { name, role, logger } = context;
    this.#options = { paths: this.paths, settings, logger, mark: { name, role }, create: settings.create };
    const { capture, kinds, clock } = context;
    this.capture =
      capture === undefined || role !== 'legacy'
        ? undefined
        : new DictionaryCapture(this, { capture, kinds, clock, store: name, outbox: settings.outbox });
  }

  get cutBytes(): number {
    return this.#owner?.cutBytes ?? 0;
  }

  get isOwner(): boolean {
    return this.#owner !== undefined;
  }

  get owned(): DictionaryOwner | undefined {
    return this.#owner;
  }

  own(): Promise<DictionaryOwner> {
    return this.#own();
  }

  prepare(): Promise<void> {
    return prepareDictionary(this.#options);
  }

  async apply(changes: readonly Change[]): Promise<readonly Outcome[]> {
    return (await this.#own()).apply(changes);
  }

  /** The present state, to be released after use. */
  acquire(): Promise<Snapshot> {
    return this.#oneAtATime(async () => {
      if (this.#owner !== undefined) return this.#owner.snapshot.retain();
      return (await this.#latest()).retain();
    });
  }

  async withSnapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const snapshot = await this.acquire();
    try {
      return await work(snapshot);
    } finally {
      await snapshot.release();
    }
  }

  async close(): Promise<void> {
    await this.capture?.close();
    return this.#oneAtATime(async () => {
      this.#closed = true;
      const [owner, reader] = [this.#owner, this.#reader];
      this.#owner = undefined;
      this.#reader = undefined;
      await reader?.release();
      await owner?.close();
    });
  }

  #own(): Promise<DictionaryOwner> {
    return this.#oneAtATime(async () => {
      this.#assertOpen();
      if (this.#owner?.broken === true) {
        const broken = this.#owner;
        this.#owner = undefined;
        await broken.close();
      }
      this.#owner ??= await DictionaryOwner.open(this.#options);
      await this.#reader?.release();
      this.#reader = undefined;
      return this.#owner;
    });
  }

  async #latest(): Promise<Snapshot> {
    this.#assertOpen();
    const present = this.#reader;
    if (present !== undefined && (await this.#caughtUp(present))) return present;
    const { maxAgentBytes, temporaryFolder } = this.#options.settings;
    this.#reader = await openSnapshot(this.paths, { maxAgentBytes, temporaryFolder });
    await present?.release();
    return this.#reader;
  }

  /** False when the files have been replaced. */
  async #caughtUp(snapshot: Snapshot): Promise<boolean> {
    try {
      if (!(await isUpToDate(this.paths, snapshot))) return false;
      const { journal, overlay } = snapshot;
      return journal === undefined || (await catchUp(this.paths, journal, overlay)) === undefined;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new ChangeoverError('aborted', `The dictionary ${this.paths.base} was closed.`);
  }
}
