/** Wakes whoever waits for a change, so that they look again. It carries no value and forgets nothing that matters. */
export class Watchers {
  #waiting: (() => void)[] = [];

  /** Resolves at the next `wake`. Look at the state first, in the same breath, or a change goes unseen. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
