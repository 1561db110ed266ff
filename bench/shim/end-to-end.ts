import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchStack } from '../bench-stack.ts';
import { markdownTable, whole } from '../measure.ts';
import { type Application, openApplication } from './application.ts';
import { quantile, timeEach } from './latencies.ts';
import { openWays, type Way } from './ways.ts';

const WRITES_PER_SECOND = 200;
const SECONDS = 20;
const WARM_UP_SECONDS = 20;
/** Between two looks into a target; a look adds half of it on the average. */
const LOOK_EVERY_MS = 2;

/**
 * From an application's write to visible in the target: shim, outbox, relay, Kafka, sink. The application is this
 * process, with the relay in it; `changeover run` with all targets is another. One way after the other, 200 writes a
 * second.
 */
export async function benchShimEndToEnd(addresses: BenchStack, only = /./): Promise<string> {
  await using ways = await openWays(addresses);
  const rows = [];
  for (const way of ways.all.filter(({ what }) => only.test(what))) {
    await using application = await openApplication(addresses, way.origin);
    await measure(way, application, WARM_UP_SECONDS);
    rows.push(await rowOf(way, application));
  }
  return markdownTable(
    [
      'way',
      'writes',
      'acknowledged p50, ms',
      'p99, ms',
      'visible p50, ms',
      'p90, ms',
      'p99, ms',
      "target's own read p50, ms",
    ],
    rows,
  );
}

async function rowOf(way: Way, application: Application): Promise<readonly (string | number)[]> {
  const { acknowledged, visible } = await measure(way, application, SECONDS);
  const reads = way.readOnce && (await timeEach(50, () => way.readOnce?.() ?? Promise.resolve()));
  const ms = (values: readonly number[], share: number): string => quantile(values, share).toFixed(1);
  return [
    way.what,
    whole(visible.length),
    ms(acknowledged, 0.5),
    ms(acknowledged, 0.99),
    ms(visible, 0.5),
    ms(visible, 0.9),
    ms(visible, 0.99),
    reads ? ms(reads, 0.5) : '',
  ];
}

let token = 0;

/** Milliseconds from the call to its acknowledgement, and from the call to the first look that saw it. */
async function measure(
  way: Way,
  application: Application,
  seconds: number,
): Promise<{ readonly acknowledged: readonly number[]; readonly visible: readonly number[] }> {
  const acknowledged: number[] = [];
  const visible: number[] = [];
  const startedMs = new Map<number, number>();
  let newest = token;
  let over = false;
  const looking = (async () => {
    while (!over) {
      const seen = await way.look(newest);
      const nowMs = performance.now();
      for (const each of seen) {
        newest = Math.max(newest, each);
        const atMs = startedMs.get(each);
        if (atMs === undefined) continue;
        visible.push(nowMs - atMs);
        startedMs.delete(each);
      }
      await sleep(LOOK_EVERY_MS);
    }
  })();
  const beganMs = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let count = 0; count < seconds * WRITES_PER_SECOND; count++) {
    const waitMs = beganMs + (count * 1_000) / WRITES_PER_SECOND - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    token += 1;
    const atMs = performance.now();
    startedMs.set(token, atMs);
    writes.push(way.write(application, token).then(() => acknowledged.push(performance.now() - atMs)));
  }
  await Promise.all(writes);
  await sleep(2_000);
  over = true;
  await looking;
  return { acknowledged, visible };
}
