import { setTimeout as delay } from 'node:timers/promises';

/** Looks until the check does not throw any more; throws what it threw last when it has not come to that in time. */
export async function eventually(check: () => void | Promise<void>, withinMs: number): Promise<void> {
  const giveUpAt = Date.now() + withinMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await delay(5);
    }
  }
}
