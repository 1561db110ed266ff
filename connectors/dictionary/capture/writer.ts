import type { Clock } from '../../../core/clock.ts';
import type { Kind } from '../../../schemas/kinds.ts';
import type { CaptureSettings } from '../../capture.ts';
import type { OutboxOptions } from '../../outbox-options.ts';
import { relayedTooFar } from '../errors.ts';
import { encodeCapturedRecord } from '../journal/entries.ts';
import { MAX_PAYLOAD_BYTES } from '../journal/frames.ts';
import type { DictionaryOwner, Owned } from '../journal/owner.ts';
import { OldCount, rejectWrite, WritePlan } from '../observed/write-plan.ts';
import type { DictionaryPaths } from '../paths.ts';
import { Relayed, readRelayed } from './relayed.ts';

/** Something to be written as one, which sees what was written before it. Throws what its caller is to get. */
export type Unit<T> = (plan: WritePlan) => T;

interface Waiting {
  /** Plans it; answers what settles it when the plan is durable, or throws. */
  readonly plan: (plan: WritePlan) => () => void;
  readonly reject: (error: unknown) => void;
}

interface Planned {
  readonly settle: () => void;
  readonly reject: (error: unknown) => void;
}

interface WriterOptions {
  readonly paths: DictionaryPaths;
  readonly owner: () => Promise<DictionaryOwner>;
  /** Throws where writes are not captured now. Asked while nobody else can write, nor end capture. */
  readonly admit: () => Promise<void>;
  readonly capture: CaptureSettings;
  readonly kinds: readonly Kind[];
  readonly outbox: OutboxOptions;
  readonly store: string;
  readonly clock: Clock;
  /** After something became durable. */
  readonly written: () => void;
}

/** Of one frame, about. A single unit may make it larger. */
const GROUP_BYTES = 4 * 1024 * 1024;

/**
 * Group commit for captured writes: all that wait are planned one after the other, each seeing those before it, made
 * durable by one frame and one fsync, and then become the state, in memory and for readers. A frame that fails takes
 * its whole group with it, and nothing of it was seen by anybody.
 */
export class CaptureWriter {
  readonly #options: WriterOptions;
  #waiting: Waiting[] = [];
  #pump: Promise<void> | undefined;
  #relayed = Relayed.NONE;
  #relayedOf: string | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Resolves when it is durable. */
  write<T>(unit: Unit<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const plan = (of: WritePlan) => {
      const result = unit(of);
      return () => resolve(result);
    };
    this.#waiting.push({ plan, reject });
    this.#pump ??= this.#run();
    return promise;
  }

  async drain(): Promise<void> {
    await this.#pump;
  }

  async #run(): Promise<void> {
    // What is asked for in the same turn belongs to the same frame.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      let taken: readonly Waiting[] = [];
      try {
        const owner = await this.#options.owner();
        await owner.exclusively(async (owned) => {
          await this.#options.admit();
          taken = this.#waiting.splice(0);
          await this.#commit(owned, taken);
        });
      } catch (error) {
        // Before anything was planned. Who came meanwhile gets the same answer.
        for (const { reject } of [...taken, ...this.#waiting.splice(0)]) reject(error);
      }
    }
    this.#pump = undefined;
  }

  /** Settles each unit, but for those that find no room in the frame: they wait for the next. */
  async #commit(owned: Owned, group: readonly Waiting[]): Promise<void> {
    const { plan, planned } = await this.#planned(owned, group);
    const { tally, places, journal, snapshot } = owned;
    const { entries } = plan;
    try {
      if (entries.length > 0) {
        const bytes = entries.map((entry) => entry.bytes);
        await journal.appendFrame(encodeCapturedRecord('captured', bytes, plan.bytes + 1));
      }
    } catch (error) {
      for (const { reject } of planned) reject(error);
      return;
    }
    plan.draft.commitTo(places);
    for (const { change, raw, number, named } of entries) {
      snapshot.overlay.putCaptured(change, raw);
      tally.note({ change, number, named });
    }
    for (const { settle } of planned) settle();
    if (entries.length > 0) this.#options.written();
  }

  async #planned(
    owned: Owned,
    group: readonly Waiting[],
  ): Promise<{ readonly plan: WritePlan; readonly planned: readonly Planned[] }> {
    const { tally, places, outbox: outboxName } = owned;
    const { capture, kinds, outbox, store, clock } = this.#options;
    const settings = { capture, kinds, outbox, store, nowUs: clock.nowUs() };
    const { lastVersion, lastNumber } = tally;
    const waitingIsFresh = this.#relayedOf !== outboxName;
    if (waitingIsFresh) await this.#readRelayed(owned);
    const waiting = this.#relayed.leftOf(lastNumber);
    const counts = { lastVersion, lastNumber, waiting, waitingIsFresh };
    const plan = WritePlan.over(settings, places, counts, tally);
    const planned: Planned[] = [];
    for (const unit of group) {
      if (plan.bytes >= GROUP_BYTES) {
        this.#waiting = [...group.slice(planned.length), ...this.#waiting];
        break;
      }
      let outcome = plannedUnit(plan, unit);
      if (outcome === 'old-count') {
        await this.#readRelayed(owned);
        plan.recount(this.#relayed.leftOf(plan.counts.lastNumber));
        outcome = plannedUnit(plan, unit);
      }
      if (outcome === 'old-count') throw new Error('The outbox was counted anew, and the count is old.');
      planned.push(outcome);
    }
    return { plan, planned };
  }

  /** What the log has confirmed. A count by it may be too high later, never too low: it is read again when that matters. */
  async #readRelayed({ outbox, tally }: Owned): Promise<void> {
    const { paths } = this.#options;
    const relayed = await readRelayed(paths.relayed, outbox);
    if (relayed.highest > tally.lastNumber) throw relayedTooFar(paths.base, paths.relayed);
    this.#relayed = relayed;
    this.#relayedOf = outbox;
  }
}

/** Plans a unit into the plan, or leaves no trace of it there. */
function plannedUnit(plan: WritePlan, { plan: planOf, reject }: Waiting): Planned | 'old-count' {
  try {
    const branch = plan.branch();
    const settle = planOf(branch);
    if (branch.bytes > MAX_PAYLOAD_BYTES - 2 * GROUP_BYTES) tooLarge(branch.bytes);
    plan.merge(branch);
    return { settle, reject };
  } catch (error) {
    return error instanceof OldCount ? 'old-count' : { settle: () => reject(error), reject };
  }
}

function tooLarge(bytes: number): never {
  return rejectWrite(
    { kind: 'agent', key: 'and its relationships' },
    `It would be ${bytes} bytes at once, more than the journal takes.`,
  );
}
