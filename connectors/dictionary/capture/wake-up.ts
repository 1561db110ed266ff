/** Tells those who wait that something has happened. */
export class WakeUp {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `notify`, after a while, or when the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  notify(): void {
    for (const done of [...this.#waiting]) done();
  }
}
