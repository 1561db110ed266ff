import { STALE } from '../connectors/connector.ts';
import type { Stage } from './stage.ts';

/**
 * Skips a change that was read from, or first written to, the very store that this pipeline feeds: it is there
 * already, or something newer is. The guard would say the same, but the store need not be asked.
 */
export function skipEcho(store: string): Stage {
  return (next) => async (batch, signal) => {
    const others = batch.filter(({ change }) => change.origin.store !== store);
    if (others.length === batch.length) return next(batch, signal);
    const outcomes = (others.length === 0 ? [] : await next(others, signal)).values();
    return batch.map(({ change }) =>
      change.origin.store === store ? STALE : (outcomes.next().value ?? STALE),
    );
  };
}
