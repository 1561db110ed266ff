import { Redis } from 'ioredis';
import { redisConnector } from '../../connectors/redis/connector.ts';
import { intercept, redisMapping } from '../../connectors/redis/intercept/intercept.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { RedisAddress } from '../../stack/addresses.ts';
import { type Latencies, latencyTable, quantile, rateOf, timeEach } from './latencies.ts';

const ROUNDS = 6;
const PIPELINES = 60;
const PER_PIPELINE = 100;
const SINGLES = 1_500;
const KEYS = 500;

/** What the shim adds to a write of a Q-value, beside the bare client and beside an outbox written by hand. */
export async function benchRedisShim({ url, password }: RedisAddress): Promise<string> {
  const options = redisConnector.options.parse({ url, password });
  const capture = { maxChangeBytes: 1_000_000, writer: 'bench' };
  const store = await redisConnector.open(options, {
    name: 'legacy.redis',
    role: 'legacy',
    kinds: redisConnector.kinds.legacy,
    logger: silentLogger,
    clock: systemClock,
    capture,
  });
  const bare = new Redis(url, { password });
  const shim = intercept(new Redis(url, { password }), redisMapping({ writer: 'bench' }));
  try {
    await store.prepare();
    await store.capture?.install();
    const variants = [
      { what: 'bare client', write: bareWrites(bare, 'bench:q'), singles: bare },
      { what: 'by hand: HSET, INCR and XADD in MULTI', write: handWritten(bare), singles: undefined },
      { what: 'shim', write: bareWrites(shim, 'rl:q'), singles: shim },
    ];
    const pipelined = variants.map(({ what }) => ({ what, milliseconds: [] as number[] }));
    const single = variants.map(({ what }) => ({ what, milliseconds: [] as number[] }));
    const rates = variants.map(() => [] as number[]);
    // In turn, so that what else the machine does falls on all of them.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [index, { write }] of variants.entries()) {
        const batches = await timeEach(PIPELINES, (number) => write(PER_PIPELINE, number * PER_PIPELINE));
        const ones = await timeEach(SINGLES / ROUNDS, (number) => write(1, number));
        const rate = await rateOf(64, 60, (number) => write(1, number));
        if (round === 0) continue;
        pipelined[index]?.milliseconds.push(...batches);
        single[index]?.milliseconds.push(...ones);
        rates[index]?.push(rate);
      }
      await bare.del('changeover:outbox', 'bench:outbox');
    }
    return [
      `Pipelines of ${PER_PIPELINE} writes (HSET of a Q-value):`,
      latencyTable(pipelined as Latencies[]),
      'One write at a time:',
      latencyTable(single as Latencies[]),
      `64 writers at once, writes a second (median of ${ROUNDS} rounds): ${variants
        .map(
          ({ what }, index) =>
            `${what} ${Math.round(quantile(rates[index] ?? [], 0.5)).toLocaleString('en-GB')}`,
        )
        .join('; ')}.`,
    ].join('\n\n');
  } finally {
    bare.disconnect();
    shim.disconnect();
    await store.close();
  }
}

type Write = (count: number, start: number) => Promise<unknown>;

const jsonOf = (index: number): string => JSON.stringify({ value: index / 7, visits: index });

function bareWrites(redis: Redis, prefix: string): Write {
  return (count, start) => {
    if (count === 1)
      return redis.hset(`${prefix}:a${start % KEYS}`, `s${start % 16}|${start % 4}`, jsonOf(start));
    const pipeline = redis.pipeline();
    for (let index = start; index < start + count; index++) {
      pipeline.hset(`${prefix}:a${index % KEYS}`, `s${index % 16}|${index % 4}`, jsonOf(index));
    }
    return pipeline.exec();
  };
}

function handWritten(redis: Redis): Write {
  return (count, start) => {
    const transaction = redis.multi();
    for (let index = start; index < start + count; index++) {
      const [key, field] = [`bench:h:a${index % KEYS}`, `s${index % 16}|${index % 4}`];
      transaction.hset(key, field, jsonOf(index));
      transaction.incr('bench:version');
      transaction.xadd('bench:outbox', '*', 'key', key, 'field', field, 'value', jsonOf(index));
    }
    return transaction.exec();
  };
}
