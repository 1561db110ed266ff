import type { Command } from 'ioredis';

/**
 * What a connection is in between MULTI and EXEC. The first call of the script in it brings the text, so that no transaction
 * can be half made because the server has forgotten the script meanwhile.
 */
export class OpenTransaction {
  #open: { knows: boolean } | undefined;

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Whether this call has to bring the script's text; undefined where no transaction is open. */
  isFirstCall(): boolean | undefined {
    if (this.#open === undefined) return undefined;
    const first = !this.#open.knows;
    this.#open.knows = true;
    return first;
  }

  /** Takes notice of a command; answers whether it is an EXEC whose answer holds answers of the script. */
  follow(command: Command): boolean {
    const name = command.name.toLowerCase();
    const hadCalls = this.#open?.knows === true;
    if (name === 'multi') this.#open = { knows: false };
    else if (name === 'exec' || name === 'discard') this.#open = undefined;
    return name === 'exec' && hadCalls;
  }

  /** The connection is lost. */
  forget(): void {
    this.#open = undefined;
  }
}
