import { markdownTable, whole } from '../measure.ts';

/** How long single calls took, of one variant. */
export interface Latencies {
  readonly what: string;
  readonly milliseconds: readonly number[];
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Calls one after the other, each timed. */
export async function timeEach(calls: number, call: (index: number) => Promise<unknown>): Promise<number[]> {
  const milliseconds: number[] = [];
  for (let index = 0; index < calls; index++) {
    const startedMs = performance.now();
    await call(index);
    milliseconds.push(performance.now() - startedMs);
  }
  return milliseconds;
}

/** Many callers at once, each calling one after the other; answers calls a second. */
export async function rateOf(
  callers: number,
  callsEach: number,
  call: (index: number) => Promise<unknown>,
): Promise<number> {
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let index = 0; index < callsEach; index++) await call(caller * callsEach + index);
    }),
  );
  return (callers * callsEach) / ((performance.now() - startedMs) / 1000);
}

/** The first variant is what the others are compared with. */
export function latencyTable(variants: readonly Latencies[]): string {
  const [first] = variants;
  const base = quantile(first?.milliseconds ?? [], 0.5);
  return markdownTable(
    ['', 'calls', 'p50, ms', 'p99, ms', 'p50, of the first'],
    variants.map(({ what, milliseconds }) => [
      what,
      whole(milliseconds.length),
      quantile(milliseconds, 0.5).toFixed(3),
      quantile(milliseconds, 0.99).toFixed(3),
      `${(quantile(milliseconds, 0.5) / base).toFixed(2)} ×`,
    ]),
  );
}
