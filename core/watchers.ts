/** Wakes whoever waits for a change, so that they look again. It carries no value and forgets nothing that matters. */
export class Watchers {
  readonly #waiting = new Set<() => void>();

  /**
   * Resolves at the next `wake`, or when the signal is aborted. Look at the state first, in the same breath, or a change goes
   * unseen. Whoever may stop waiting before that gives a signal, or what waits in their name stays here.
   */
  changed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
