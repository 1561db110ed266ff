import type { Clock } from '../../../core/clock.ts';
import { ChangeoverError } from '../../../core/errors.ts';
import type { Kind } from '../../../schemas/kinds.ts';
import type {
  Capture,
  CapturePath,
  CaptureSettings,
  CaptureStatus,
  Drain,
  EntityWrite,
  SetAsideEntry,
  WriteResult,
} from '../../capture.ts';
import { assertDrained } from '../../outbox-errors.ts';
import type { OutboxOptions } from '../../outbox-options.ts';
import { type LockUse, takeLock, takeLockUnlessHeld } from '../journal/lock.ts';
import type { DictionaryOwner } from '../journal/owner.ts';
import { planWrite } from '../observed/plan-entity.ts';
import type { WritePlan } from '../observed/write-plan.ts';
import { removeLeftOvers } from '../paths.ts';
import { readMark } from '../schema.ts';
import { changeCaptureFile, readCaptureFile } from './capture-file.ts';
import { DictionaryDrain } from './drain.ts';
import type { CaptureHome } from './home.ts';
import type { DurableEnd } from './outbox-reader.ts';
import { readRelayed } from './relayed.ts';
import { clearSetAside, setAsideEntries, tidySetAside } from './set-aside.ts';
import { captureStatus, StatusReader } from './status.ts';
import { WakeUp } from './wake-up.ts';
import { CaptureWriter } from './writer.ts';

export interface DictionaryCaptureOptions {
  readonly capture: CaptureSettings;
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  /** As the configuration names it. */
  readonly store: string;
  readonly outbox: OutboxOptions;
}

/** At least one. */
function planSome(
  plan: WritePlan,
  writes: readonly EntityWrite[],
  path: CapturePath,
): readonly WriteResult[] {
  const results: WriteResult[] = [];
  for (const write of writes) {
    results.push(planWrite(plan, write, path));
    if (plan.bytes >= BYTES_A_UNIT) break;
  }
  return results;
}

/** Of a batch so much is planned and made durable at once, about. */
const WRITES_A_UNIT = 1000;
const BYTES_A_UNIT = 4 * 1024 * 1024;

const UNINSTALLING: LockUse = {
  doing: 'The dictionary is being written',
  hint: 'Stop the application first: what it writes is captured as long as it runs.',
};
const DRAINING: LockUse = {
  doing: 'The outbox is being drained',
  hint: 'One relay drains an outbox at a time; another may wait for it.',
};

/**
 * Capture in the dictionary: the journal is the outbox. Who writes is its owner; who drains may be that process or any
 * other on the machine, for it only reads the journal, and writes a file of its own.
 */
export class DictionaryCapture implements Capture {
  readonly kinds: readonly Kind[];
  readonly writer: CaptureWriter;
  readonly #home: CaptureHome;
  readonly #options: DictionaryCaptureOptions;
  readonly #captured = new WakeUp();
  readonly #statusReader: StatusReader;
  /** Under whom capture was found installed: while that owner lives, nobody else ends it. */
  #installedUnder: DictionaryOwner | undefined;

  constructor(home: CaptureHome, options: DictionaryCaptureOptions) {
    this.#home = home;
    this.#options = options;
    this.kinds = options.kinds;
    this.#statusReader = new StatusReader(home.paths, this.#durableEnd);
    this.writer = new CaptureWriter({
      ...options,
      paths: home.paths,
      owner: async () => {
        if (home.owned === undefined) await this.assertInstalled();
        return home.own();
      },
      admit: async () => {
        if (this.#installedUnder !== undefined && this.#installedUnder === home.owned) return;
        await this.assertInstalled();
        this.#installedUnder = home.owned;
      },
      written: () => this.#captured.notify(),
    });
  }

  async install(): Promise<void> {
    await this.#home.prepare();
    const { base, capture } = this.#home.paths;
    if ((await readMark(this.#home.paths)) === undefined) {
      throw new ChangeoverError('config', `The writes of ${base} cannot be captured: it cannot be written.`, {
        hint: 'Unpack it, and give the user that runs the application the right to its folder.',
      });
    }
    await changeCaptureFile(capture, { installed: true });
  }

  async uninstall(): Promise<void> {
    const { paths } = this.#home;
    await this.writer.drain();
    // Either way nothing is captured between the look at the outbox and the end of capture.
    if (this.#home.isOwner) {
      const owner = await this.#home.own();
      await owner.exclusively(async ({ outbox, tally }) => {
        const relayed = await readRelayed(paths.relayed, outbox);
        await this.#end(relayed.leftOf(tally.lastNumber));
      });
      return;
    }
    const lock = await takeLock(paths.lock, UNINSTALLING);
    try {
      const { entries } = await this.status();
      await this.#end(entries);
    } finally {
      await lock.release();
    }
  }

  async #end(entries: number): Promise<void> {
    const { base, capture } = this.#home.paths;
    assertDrained(base, entries);
    this.#installedUnder = undefined;
    await changeCaptureFile(capture, { installed: false });
  }

  status(): Promise<CaptureStatus> {
    return captureStatus(this.#home, this.#statusReader, this.#options.outbox.maxEntries);
  }

  async write(writes: readonly EntityWrite[], path: CapturePath = 'shim'): Promise<readonly WriteResult[]> {
    const results: WriteResult[] = [];
    while (results.length < writes.length) {
      const left = writes.slice(results.length, results.length + WRITES_A_UNIT);
      results.push(...(await this.writer.write((plan) => planSome(plan, left, path))));
    }
    return results;
  }

  async claim(): Promise<Drain | undefined> {
    const { paths } = this.#home;
    // Of a holder that may be gone no other relay can tell: that is said, for waiting would not end.
    const lock = await takeLockUnlessHeld(paths.relayLock, DRAINING);
    if (lock === undefined) return undefined;
    try {
      for (const path of [paths.relayed, paths.setAside]) await removeLeftOvers(path);
      await tidySetAside(paths.setAside, paths.folder);
    } catch (error) {
      await lock.release();
      throw error;
    }
    const captured = (ms: number, signal: AbortSignal) => this.#captured.wait(ms, signal);
    return new DictionaryDrain({ paths, lock, durableEnd: this.#durableEnd, captured });
  }

  setAsideEntries(): AsyncIterable<SetAsideEntry> {
    return setAsideEntries(this.#home.paths.setAside);
  }

  async clearSetAside(ids: readonly string[]): Promise<number> {
    const { paths } = this.#home;
    // Where a relay has the right to drain, what was cleared is taken out of the file by the next one.
    const lock = await takeLockUnlessHeld(paths.relayLock, DRAINING).catch(() => undefined);
    try {
      const gone = await clearSetAside(paths.setAside, paths.folder, ids);
      if (lock !== undefined) await tidySetAside(paths.setAside, paths.folder);
      return gone;
    } finally {
      await lock?.release();
    }
  }

  async acceptLoss(untilUs: number): Promise<void> {
    const { capture } = this.#home.paths;
    const { acceptedUs } = await readCaptureFile(capture);
    if (untilUs > acceptedUs) await changeCaptureFile(capture, { acceptedUs: untilUs });
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.writer.drain();
    await this.#statusReader.close();
  }

  readonly #durableEnd: DurableEnd = () => this.#home.owned?.durableEnd;

  /** Throws `mismatch`. */
  async assertInstalled(): Promise<void> {
    if ((await readCaptureFile(this.#home.paths.capture)).installed) return;
    throw new ChangeoverError('mismatch', `Capture is not installed for ${this.#home.paths.base}.`, {
      hint: 'Install it first: `changeover capture install`.',
    });
  }
}
