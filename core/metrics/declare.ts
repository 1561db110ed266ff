import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/**
 * How we name what we measure: every name begins with `changeover_`, units are base units and end the name, counters end in
 * `_total`. The registry is the composition root's; there is no global one.
 */
export interface Declare {
  gauge<L extends string>(name: string, help: string, labels: readonly L[], collect?: () => void): Gauge<L>;
  counter<L extends string>(name: string, help: string, labels: readonly L[]): Counter<L>;
  histogram<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    buckets: readonly number[],
  ): Histogram<L>;
}

export function declareIn(registry: Registry): Declare {
  const common = <L extends string>(name: string, help: string, labels: readonly L[]) => ({
    name: `changeover_${name}`,
    help,
    labelNames: labels,
    registers: [registry],
  });
  return {
    gauge: (name, help, labels, collect) =>
      new Gauge({ ...common(name, help, labels), ...(collect !== undefined && { collect }) }),
    counter: (name, help, labels) => new Counter(common(name, help, labels)),
    histogram: (name, help, labels, buckets) =>
      new Histogram({ ...common(name, help, labels), buckets: [...buckets] }),
  };
}
