/**
 * What shows that a fault did what its name says: something that was counted. There is none of nothing, so a fault that hit nobody
 * cannot have one, and a fault that looks for none does not compile.
 */
export class Proof {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** Throws where less was counted than the fault is made of. */
  static counted(count: number, what: string, least = 1): Proof {
    if (!(count >= Math.max(least, 1)))
      throw new Error(`It did not strike: ${count} ${what}, and it takes ${Math.max(least, 1)}.`);
    return new Proof(`${count} ${what}`);
  }

  /** Throws where it is more or less than the fault is made of: of what nobody else can have added to. */
  static exactly(count: number, what: string, expected: number): Proof {
    if (count !== expected)
      throw new Error(`It did not strike: ${count} ${what}, and it is to be ${expected}.`);
    return Proof.counted(count, what);
  }

  static all(first: Proof, ...others: readonly Proof[]): Proof {
    return new Proof([first, ...others].map(String).join('; '));
  }

  toString(): string {
    return this.#text;
  }
}
