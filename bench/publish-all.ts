import type { Log } from '../log/log.ts';
import type { Change } from '../schemas/change.ts';

const PER_CALL = 1_000;

/** Publishes so many changes as fast as it goes, and resolves when all of them are durable. */
export async function publishAll(
  log: Log,
  changes: number,
  changeAt: (index: number) => Change,
): Promise<void> {
  await log.prepare();
  const publisher = await log.publisher();
  const sent: Promise<void>[] = [];
  for (let start = 0; start < changes; start += PER_CALL) {
    await publisher.ready();
    const size = Math.min(PER_CALL, changes - start);
    sent.push(publisher.publish(Array.from({ length: size }, (_, index) => changeAt(start + index))));
  }
  await Promise.all(sent);
}
