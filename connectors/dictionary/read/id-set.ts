/**
 * Which ids there are, by a 64-bit hash of each: 8 bytes a place, at most three quarters of the places taken, so 11 to
 * 22 bytes an id. Two ids of a dictionary of n share a hash with a chance of about n² / 2⁶⁵ (one in 37 million at a
 * million agents); what it would cost is one dangling friendship that is moved instead of being named.
 *
 * Open addressing with linear probing (Knuth, The Art of Computer Programming 3, 6.4).
 */
export class IdSet {
  #places: Uint32Array;
  #mask: number;
  #size = 0;

  constructor(capacity = 1024) {
    this.#places = new Uint32Array(capacity * 2);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** False when it was there already. */
  add(id: string): boolean {
    if ((this.#size + 1) * 4 > (this.#mask + 1) * 3) this.#grow();
    const [high, low] = hash(id);
    const index = this.#find(high, low);
    if (this.#places[index * 2] !== 0) return false;
    this.#put(index, high, low);
    this.#size++;
    return true;
  }

  has(id: string): boolean {
    const [high, low] = hash(id);
    return this.#places[this.#find(high, low) * 2] !== 0;
  }

  /** The place of the hash, or the free place where it belongs. */
  #find(high: number, low: number): number {
    let index = low & this.#mask;
    for (;;) {
      const held = this.#places[index * 2];
      if (held === 0 || (held === high && this.#places[index * 2 + 1] === low)) return index;
      index = (index + 1) & this.#mask;
    }
  }

  #put(index: number, high: number, low: number): void {
    this.#places[index * 2] = high;
    this.#places[index * 2 + 1] = low;
  }

  #grow(): void {
    const old = this.#places;
    const capacity = (this.#mask + 1) * 2;
    this.#places = new Uint32Array(capacity * 2);
    this.#mask = capacity - 1;
    for (let at = 0; at < old.length; at += 2) {
      const high = old[at] as number;
      const low = old[at + 1] as number;
      if (high !== 0) this.#put(this.#find(high, low), high, low);
    }
  }
}

/**
 * Two 32-bit halves that depend on every bit of every UTF-16 unit; the first is never 0, which marks a free place.
 * The mixing is MurmurHash3's finaliser over two FNV-like lanes with different multipliers.
 */
function hash(id: string): readonly [high: number, low: number] {
  let high = 0x9e3779b9 ^ id.length;
  let low = 0x85ebca6b ^ id.length;
  for (let index = 0; index < id.length; index++) {
    const unit = id.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    high = (high << 13) | (high >>> 19);
    low = Math.imul(low ^ unit, 0x5f356495);
    low = (low << 15) | (low >>> 17);
  }
  const mixedHigh = finish(high ^ (low >>> 7));
  const mixedLow = finish(low ^ Math.imul(high, 0x27d4eb2f));
  return [mixedHigh === 0 ? 1 : mixedHigh, mixedLow];
}

function finish(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
