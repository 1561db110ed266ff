export interface ProgressLine {
  readonly name: string;
  readonly total: number;
  readonly done: number;
}

/** Shows how far several things have come. */
export interface ProgressView {
  start(lines: readonly ProgressLine[]): void;
  advance(name: string, items: number): void;
  /** What holds it back now; empty where nothing does. May be called often. */
  remark(text: string): void;
  stop(): void;
}
