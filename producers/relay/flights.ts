import type { OutboxEntry } from '../../connectors/capture.ts';
import type { Publisher } from '../../log/log.ts';

export interface FlightsOptions {
  readonly publisher: Publisher;
  /** Told of each call that the log confirmed: its entries, and how many of them may have been in the log before. */
  readonly onConfirmed: (entries: number, again: number) => void;
  /** Told of confirmed entries once everything that is older is confirmed too, in the order of the outbox. */
  readonly onOldestConfirmed: (ids: readonly string[]) => void;
  readonly onFailure: (error: unknown) => void;
}

/** The entries of one `publish` call. */
interface Flight {
  readonly entries: readonly OutboxEntry[];
  outcome: 'under way' | 'confirmed' | 'failed';
  error: unknown;
  settled: Promise<void>;
}

/** What is on its way into the log, in the order of the outbox. */
export class Flights {
  readonly #options: FlightsOptions;
  #flights: Flight[] = [];
  #entries = 0;
  /** Entries that were offered to the log before and will be read again. */
  readonly #offered = new Set<string>();

  constructor(options: FlightsOptions) {
    this.#options = options;
  }

  /** How many entries are under way or wait for an older one. */
  get entries(): number {
    return this.#entries;
  }

  start(entries: readonly OutboxEntry[]): void {
    const { publisher, onFailure } = this.#options;
    const flight: Flight = { entries, outcome: 'under way', error: undefined, settled: Promise.resolve() };
    this.#flights.push(flight);
    this.#entries += entries.length;
    flight.settled = publisher.publish(entries.map(({ change }) => change)).then(
      () => this.#confirm(flight),
      (error: unknown) => {
        flight.outcome = 'failed';
        flight.error = error;
        onFailure(error);
      },
    );
  }

  async settled(): Promise<void> {
    await Promise.all(this.#flights.map((flight) => flight.settled));
  }

  /** Forgets everything, to begin again with the oldest; answers that one's failure. */
  clear(): { readonly entries: readonly OutboxEntry[]; readonly error: unknown } | undefined {
    const [oldest] = this.#flights;
    for (const { entries } of this.#flights) for (const { id } of entries) this.#offered.add(id);
    this.#flights = [];
    this.#entries = 0;
    return oldest?.outcome === 'failed' ? oldest : undefined;
  }

  /** The log has confirmed these while nothing else was under way. */
  confirmedAlone(entries: readonly OutboxEntry[]): void {
    this.#count(entries);
    this.#options.onOldestConfirmed(entries.map(({ id }) => id));
  }

  #confirm(flight: Flight): void {
    flight.outcome = 'confirmed';
    this.#count(flight.entries);
    const underWay = this.#flights.findIndex(({ outcome }) => outcome !== 'confirmed');
    const done = this.#flights.splice(0, underWay < 0 ? this.#flights.length : underWay);
    for (const { entries } of done) {
      this.#entries -= entries.length;
      this.#options.onOldestConfirmed(entries.map(({ id }) => id));
    }
  }

  #count(entries: readonly OutboxEntry[]): void {
    const again = entries.filter(({ id }) => this.#offered.delete(id)).length;
    this.#options.onConfirmed(entries.length, again);
  }
}
