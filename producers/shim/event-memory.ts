/**
 * What came of events whose ids this process has seen lately: the least recently seen is forgotten when there are too
 * many. A value is a promise, so that an event that comes again while it is still being written waits for the first.
 */
export class EventMemory<V> {
  readonly #most: number;
  readonly #seen = new Map<string, Promise<V>>();

  constructor(most: number) {
    this.#most = most;
  }

  get(eventId: string): Promise<V> | undefined {
    const value = this.#seen.get(eventId);
    if (value === undefined) return undefined;
    // A Map keeps the order of insertion: what is used moves to the end.
    this.#seen.delete(eventId);
    this.#seen.set(eventId, value);
    return value;
  }

  /** An event that fails is forgotten: it may be tried again. */
  remember(eventId: string, value: Promise<V>): void {
    this.#seen.set(eventId, value);
    value.catch(() => {
      if (this.#seen.get(eventId) === value) this.#seen.delete(eventId);
    });
    if (this.#seen.size <= this.#most) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      break;
    }
  }
}
