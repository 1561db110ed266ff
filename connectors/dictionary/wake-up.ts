/** Tells those who wait that something has happened. */
export class WakeUp {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `notify`, or when the signal is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  notify(): void {
    for (const done of [...this.#waiting]) done();
  }
}
