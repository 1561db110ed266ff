/**
 * The states that were seen, by 64 bits of each, in 20 to 30 bytes of memory, with the state that each was first reached
 * from. Two states of one fingerprint would pass for one: among n states that is n²/2⁶⁵ likely (0.00003 % of a million's
 * explorations). TLC, the checker of TLA+, does the same.
 */
export class Fingerprints {
  #count = 0;
  #high = new Int32Array(1 << 16);
  #low = new Int32Array(1 << 16);
  #parents = new Int32Array(1 << 16);
  /** Open addressing; holds id + 1, twice as many places as there may be ids. */
  #table = new Int32Array(1 << 17);

  get count(): number {
    return this.#count;
  }

  /** Its id, the next one from 0; undefined when it was here before. */
  add(text: string, parent: number): number | undefined {
    const [high, low] = fingerprint(text);
    let place = this.#placeOf(high, low);
    if (this.#table[place] !== 0) return undefined;
    if (this.#count === this.#high.length) {
      this.#grow();
      place = this.#placeOf(high, low);
    }
    const id = this.#count++;
    this.#high[id] = high;
    this.#low[id] = low;
    this.#parents[id] = parent;
    this.#table[place] = id + 1;
    return id;
  }

  isOf(id: number, text: string): boolean {
    const [high, low] = fingerprint(text);
    return this.#high[id] === high && this.#low[id] === low;
  }

  /** From the beginning to this one. */
  pathTo(id: number): readonly number[] {
    const path: number[] = [];
    for (let at = id; at >= 0; at = this.#parents[at] ?? -1) path.push(at);
    return path.reverse();
  }

  #placeOf(high: number, low: number): number {
    const mask = this.#table.length - 1;
    for (let place = low & mask; ; place = (place + 1) & mask) {
      const id = (this.#table[place] ?? 0) - 1;
      if (id < 0 || (this.#high[id] === high && this.#low[id] === low)) return place;
    }
  }

  #grow(): void {
    const size = this.#high.length * 2;
    [this.#high, this.#low, this.#parents] = [this.#high, this.#low, this.#parents].map((old) => {
      const grown = new Int32Array(size);
      grown.set(old);
      return grown;
    }) as [Int32Array<ArrayBuffer>, Int32Array<ArrayBuffer>, Int32Array<ArrayBuffer>];
    this.#table = new Int32Array(size * 2);
    for (let id = 0; id < this.#count; id += 1) {
      this.#table[this.#placeOf(this.#high[id] ?? 0, this.#low[id] ?? 0)] = id + 1;
    }
  }
}

/** Two multiplicative hashes side by side, mixed at the end (cyrb53 by bryc, all 64 bits of it). */
function fingerprint(text: string): readonly [high: number, low: number] {
  let one = 0xdeadbeef;
  let two = 0x41c6ce57;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    one = Math.imul(one ^ code, 2654435761);
    two = Math.imul(two ^ code, 1597334677);
  }
  const first = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(two ^ (two >>> 13), 3266489909);
  const second = Math.imul(two ^ (two >>> 16), 2246822507) ^ Math.imul(first ^ (first >>> 13), 3266489909);
  return [first | 0, second | 0];
}
