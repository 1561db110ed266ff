import { REMEMBER_EVENTS_MS } from '../../outbox-options.ts';
import { LOST } from './captured-entries.ts';

/** Of the newest event ids; older ones are forgotten before their time. About 150 bytes each. */
const MOST_EVENTS = 100_000;

/** What came of a write that had an event id. */
export interface RememberedEvent {
  readonly version: number;
  readonly capturedAt: number;
}

/** What a journal hands on to the next one beside the entries themselves. */
export interface OutboxState {
  readonly lastNumber: number;
  readonly lastVersion: number;
  /** From when to when writes went uncaptured, in µs since 1970. */
  readonly lost: Lost | null;
  readonly events: readonly (readonly [eventId: string, version: number, capturedAt: number])[];
}

export interface Lost {
  readonly firstUs: number;
  readonly lastUs: number;
}

/** What is known of a captured entry in passing. */
interface Noted {
  readonly number: number;
  readonly named: boolean;
  readonly change: { readonly version: number; readonly eventId: string; readonly capturedAt: number };
}

/** What a journal says of its outbox as a whole. */
export class OutboxTally {
  /** Of the entries in the outbox, those that are gone from it included. */
  lastNumber = 0;
  /** The greatest version of all. */
  lastVersion = 0;
  lost: Lost | null = null;
  /** Behind what was handed on by the journal before: what this one has gained begins here. 0 where nothing was. */
  handedOnEnd = 0;
  readonly #events = new Map<string, RememberedEvent>();

  noteVersion(version: number): void {
    if (version > this.lastVersion) this.lastVersion = version;
  }

  note({ number, named, change }: Noted): void {
    const { version, eventId, capturedAt } = change;
    this.noteVersion(version);
    if (number > this.lastNumber) this.lastNumber = number;
    if (number === LOST) this.#noteLoss(capturedAt);
    if (named) this.#remember(eventId, { version, capturedAt });
  }

  noteState({ lastNumber, lastVersion, lost, events }: OutboxState): void {
    this.noteVersion(lastVersion);
    this.lastNumber = Math.max(this.lastNumber, lastNumber);
    if (lost !== null) {
      this.#noteLoss(lost.firstUs);
      this.#noteLoss(lost.lastUs);
    }
    for (const [eventId, version, capturedAt] of events) this.#remember(eventId, { version, capturedAt });
  }

  /** What came of the write with that event id, while it is remembered. */
  eventOf(eventId: string, nowUs: number): RememberedEvent | undefined {
    const event = this.#events.get(eventId);
    return event === undefined || isForgotten(event, nowUs) ? undefined : event;
  }

  /** In pieces of bounded size. */
  *states(): Generator<OutboxState> {
    const EVENTS_A_PIECE = 10_000;
    const { lastNumber, lastVersion, lost } = this;
    const events = [...this.#events].map(
      ([eventId, { version, capturedAt }]) => [eventId, version, capturedAt] as const,
    );
    for (let at = 0; at === 0 || at < events.length; at += EVENTS_A_PIECE)
      yield { lastNumber, lastVersion, lost, events: events.slice(at, at + EVENTS_A_PIECE) };
  }

  /** Nothing that the next journal would have to know. */
  get isEmpty(): boolean {
    return this.lastNumber === 0 && this.lost === null && this.#events.size === 0;
  }

  #noteLoss(atUs: number): void {
    const { firstUs, lastUs } = this.lost ?? { firstUs: atUs, lastUs: atUs };
    this.lost = { firstUs: Math.min(firstUs, atUs), lastUs: Math.max(lastUs, atUs) };
  }

  #remember(eventId: string, event: RememberedEvent): void {
    this.#events.delete(eventId);
    this.#events.set(eventId, event);
    if (this.#events.size <= MOST_EVENTS) return;
    for (const oldest of this.#events.keys()) {
      this.#events.delete(oldest);
      return;
    }
  }
}

function isForgotten({ capturedAt }: RememberedEvent, nowUs: number): boolean {
  return nowUs - capturedAt > REMEMBER_EVENTS_MS * 1000;
}
