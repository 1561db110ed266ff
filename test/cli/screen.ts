import type { Terminal } from '../../cli/output/progress-bars.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what moves a cursor
const SEQUENCES = /\x1b\[(\d+)A|\x1b\[[KJ]|[^\x1b]/g;

/** As much of a terminal as the bars use: a cursor, lines, and clearing to the end of the line and of the screen. */
export class Screen implements Terminal {
  columns: number;
  rows: number;
  #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  /** Everything that is to be seen or has scrolled away. */
  get lines(): readonly string[] {
    return this.#lines.map((line) => line.trimEnd());
  }

  write(text: string): void {
    for (const [part, up] of text.matchAll(SEQUENCES)) {
      if (up !== undefined) this.#row = Math.max(this.#row - Number(up), this.#top);
      else if (part === '\x1b[K') this.#clearLine();
      else if (part === '\x1b[J') this.#clearBelow();
      else if (part === '\r') this.#column = 0;
      else if (part === '\n') this.#nextLine();
      else this.#put(part);
    }
  }

  get #top(): number {
    return Math.max(0, this.#lines.length - this.rows);
  }

  #clearLine(): void {
    this.#lines[this.#row] = this.#lines[this.#row]?.slice(0, this.#column) ?? '';
  }

  #clearBelow(): void {
    this.#clearLine();
    for (let row = this.#row + 1; row < this.#lines.length; row++) this.#lines[row] = '';
  }

  #nextLine(): void {
    this.#row += 1;
    this.#column = 0;
    if (this.#row === this.#lines.length) this.#lines.push('');
  }

  #put(character: string): void {
    if (this.#column === this.columns) this.#nextLine();
    const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column += 1;
  }
}
