import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { ThrottleReason } from '../../core/metrics/backfill-metrics.ts';
import { runAll, unlessAborted } from '../../core/service.ts';
import type { ControlTopic } from '../../log/log.ts';
import type { Gate } from './gate.ts';
import { type BackfillReport, type Orders, readWord, writeReport } from './orders.ts';
import type { Peers } from './peers.ts';
import type { Pressure, PressureSource } from './pressure.ts';
import type { Throttle } from './throttle.ts';

/** How a backfill stands, told whenever it changes. */
export interface BackfillState {
  readonly state: BackfillReport['state'];
  readonly reasons: ReadonlySet<ThrottleReason>;
  /** In words. */
  readonly remarks: readonly string[];
  /** Items a second that may pass; infinite where nothing limits it. */
  readonly limitPerSecond: number;
}

export interface SupervisorOptions {
  readonly control: ControlTopic;
  readonly clock: Clock;
  readonly gate: Gate;
  readonly throttle: Throttle;
  readonly sources: readonly PressureSource[];
  /** As configured, for all that share the run; infinite for as fast as it goes. */
  readonly perSecond: number;
  readonly writer: string;
  readonly generation: number;
  readonly published: () => number;
  /** How many are being moved by this process now. */
  readonly ranges: () => number;
  /** Those with whom the rate is shared, where it is. */
  readonly peers?: Peers | undefined;
  readonly onState: (state: BackfillState) => void;
}

const ORDERS_EVERY_MS = 400;
const PRESSURES_EVERY_MS = 1_000;
const REPORT_EVERY_MS = 5_000;
const LAST_REPORT_WITHIN_MS = 2_000;

/**
 * Runs beside a backfill: follows the operator's orders and the pressures, sets the gate, and tells how things stand. None of
 * them can end the backfill: what cannot be asked for leaves things as they are.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #orders: Orders = { paused: false, perSecond: null };
  /** Of each source, what it said last. */
  readonly #pressures: (readonly Pressure[])[];
  readonly #troubles = new Map<string, string>();
  #told = '';
  #reportedMs = Number.NEGATIVE_INFINITY;
  #reporting: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#pressures = options.sources.map(() => []);
  }

  /** Resolves when the orders are in force that were there at the call. Throws what keeps them from being read. */
  async begin(): Promise<void> {
    await this.#hear();
    this.#apply();
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, sources, throttle } = this.#options;
    const every = (name: string, ms: number, work: () => Promise<void>) => ({
      name,
      run: async (stop: AbortSignal): Promise<void> => {
        while (!stop.aborted) {
          await clock.sleep(ms, stop).catch(() => {});
          if (stop.aborted) return;
          await this.#trying(name, () => unlessAborted(work(), stop));
          if (!stop.aborted) this.#apply();
        }
      },
    });
    let decidedMs = clock.elapsedMs();
    const orders = every('the orders', ORDERS_EVERY_MS, () => this.#hear());
    const deciding = every('the throttle', PRESSURES_EVERY_MS, async () => {
      const seconds = Math.max(0.001, (clock.elapsedMs() - decidedMs) / 1_000);
      decidedMs = clock.elapsedMs();
      this.#options.gate.limit(throttle.decide(this.#pressures.flat(), seconds, this.#sharers));
    });
    // Each of them alone: one store that does not answer keeps nothing back of what the others say.
    const looking = sources.map((source, index) =>
      every(`pressure ${index}`, PRESSURES_EVERY_MS, async () => {
        this.#pressures[index] = await source.read();
      }),
    );
    await runAll([orders, deciding, ...looking], signal);
    await this.#end();
  }

  async #hear(): Promise<void> {
    const { control, peers, clock } = this.#options;
    const { orders, reports } = await readWord(control);
    this.#orders = orders;
    peers?.look(reports, clock.elapsedMs(), clock.nowUs());
  }

  get #sharers(): number {
    return this.#options.peers?.sharers ?? 1;
  }

  async #trying(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#troubles.delete(name);
    } catch (error) {
      this.#troubles.set(name, `cannot look at ${name}: ${messageOf(error)}`);
    }
  }

  #apply(): void {
    const { gate, onState, clock, perSecond, ranges } = this.#options;
    const rate = this.#orders.perSecond ?? perSecond;
    gate.limitAll(this.#orders.paused ? 0 : rate / this.#sharers);
    const state = this.#stateOf(rate);
    const told = JSON.stringify([
      state.state,
      [...state.reasons],
      state.remarks.map(withoutNumbers),
      ranges() > 0,
    ]);
    onState(state);
    const nowMs = clock.elapsedMs();
    if (told === this.#told && nowMs - this.#reportedMs < REPORT_EVERY_MS) return;
    this.#told = told;
    this.#reportedMs = nowMs;
    this.#report(state);
  }

  #stateOf(rate: number): BackfillState {
    const sharers = this.#sharers;
    const pressures = this.#pressures.flat();
    const pressing = pressures.filter((pressure) => pressure.perSecond !== Number.POSITIVE_INFINITY);
    const reasons = new Set<ThrottleReason>(pressing.map(({ reason }) => reason));
    if (rate !== Number.POSITIVE_INFINITY) reasons.add('rate');
    if (this.#orders.paused) reasons.add('paused');
    return {
      state: this.#orders.paused ? 'paused' : pressing.length > 0 ? 'slowed' : 'running',
      reasons,
      remarks: [
        ...(this.#orders.paused ? ['paused by the operator'] : []),
        ...(this.#orders.perSecond === null ? [] : [`held to ${rate}/s by the operator`]),
        ...(sharers > 1 && rate !== Number.POSITIVE_INFINITY ? [`the rate is shared by ${sharers}`] : []),
        ...pressures.map(({ text }) => text),
        ...this.#troubles.values(),
      ],
      limitPerSecond: this.#options.gate.perSecond,
    };
  }

  #report({ state, remarks, limitPerSecond }: BackfillState): void {
    const { control, writer, generation, published, ranges, throttle } = this.#options;
    const report: BackfillReport = {
      state,
      generation,
      ranges: ranges(),
      published: published(),
      perSecond: Math.round(throttle.perSecond),
      limitPerSecond: Number.isFinite(limitPerSecond) ? limitPerSecond : null,
      remarks,
    };
    // A report that is not written is followed by the next.
    this.#reporting = writeReport(control, writer, report).catch(() => {});
  }

  async #end(): Promise<void> {
    const { control, writer, clock } = this.#options;
    const taken = this.#reporting.then(() => writeReport(control, writer, null)).catch(() => {});
    // A log that is away does not keep a backfill from ending.
    const over = new AbortController();
    await Promise.race([taken, clock.sleep(LAST_REPORT_WITHIN_MS, over.signal).catch(() => {})]);
    over.abort();
  }
}

/** What changes from look to look is told again only now and then. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+/g, '#');
}
