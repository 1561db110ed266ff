/** What happened, line by line, and a number that says whether two runs were the same. */
export class Trace {
  readonly lines: string[] | undefined;
  #low = 0x811c9dc5;
  #high = 0xcbf29ce4;

  constructor(keep: boolean) {
    this.lines = keep ? [] : undefined;
  }

  add(line: string): void {
    this.lines?.push(line);
    // Two FNV-1a hashes of 32 bits, of the characters and of the characters and their places.
    let [low, high] = [this.#low, this.#high];
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ (code + at), 0x01000193);
    }
    this.#low = low;
    this.#high = high;
  }

  get hash(): string {
    const hex = (part: number): string => (part >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}
