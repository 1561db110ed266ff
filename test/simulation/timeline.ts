interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * What happens next, in virtual time. One thing happens at a time: it runs, then everything that follows from it without
 * waiting (all microtasks) runs to its end, then the next thing is looked for. So the order in which things happen
 * depends on the times that they were given, and on nothing else.
 */
export class Timeline {
  readonly #heap: Due[] = [];
  #order = 0;
  #nowMs = 0;
  #steps = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  get steps(): number {
    return this.#steps;
  }

  after(ms: number, run: () => void): void {
    this.at(this.#nowMs + ms, run);
  }

  at(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order, run });
  }

  /** Until it is told to end, or nothing is left to happen. */
  async run(ended: () => boolean): Promise<void> {
    await settled();
    for (let due = this.#pop(); due !== undefined; due = this.#pop()) {
      this.#nowMs = due.atMs;
      this.#steps += 1;
      due.run();
      await settled();
      if (ended()) return;
    }
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(due);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(due, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = due;
  }

  #pop(): Due | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left !== undefined && right !== undefined && isBefore(right, left)) child += 1;
      const below = heap[child];
      if (below === undefined || !isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Due, right: Due): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

/** An immediate comes after all microtasks. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
