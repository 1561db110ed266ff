import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { intercept } from '../../connectors/redis/intercept/intercept.ts';
import { everything, parts, placed, play } from './redis-intercept-model.ts';
import { assertCaptured, drainAll, type Folded, fold, withIntercepted } from './redis-intercept-support.ts';

let unique = 0;

for (const protocol of [2, 3] as const) {
  describe(`an intercepted Redis client that speaks RESP${protocol}`, () => {
    it(
      'answers as the bare client does, leaves the same in every key, and what it captured is what is there',
      withIntercepted(async ({ place, store, prefix, ...given }) => {
        const bare = given.bare.duplicate({ protocol });
        const redis = intercept(given.bare.duplicate({ protocol }), place.mapping);
        const folded: Folded = new Map();
        const twin = `${prefix}twin:`;
        const own = place.mapping.bookkeepingPrefix;
        /** A run begins with nothing; that what was there has gone is captured too. */
        const clear = async () => {
          const keys = (await bare.keys(`${prefix}*`)).filter((key) => !key.startsWith(own));
          const [twins, ours] = [true, false].map((isTwin) =>
            keys.filter((key) => key.startsWith(twin) === isTwin),
          );
          if (twins?.length) await bare.del(...twins);
          if (ours?.length) await redis.del(...ours);
          fold((await drainAll(store)).entries, folded);
        };
        try {
          await fc.assert(
            fc.asyncProperty(parts, async (given) => {
              await clear();
              for (const [way, some] of given) {
                const numbers = Array.from({ length: 20 }, () => unique++);
                const [ours, theirs] = await Promise.all([
                  play(redis, way, placed(some, prefix, numbers)),
                  play(bare, way, placed(some, twin, numbers)),
                ]);
                const named = (answers: unknown) =>
                  JSON.stringify(answers).replaceAll(twin, '').replaceAll(prefix, '');
                assert.equal(named(ours), named(theirs), `${way} ${JSON.stringify(some)}`);
              }
              assert.deepEqual(await everything(bare, prefix), await everything(bare, twin));
              const { entries, unreadable } = await drainAll(store);
              assert.deepEqual(unreadable, []);
              await assertCaptured(store, fold(entries, folded));
            }),
            { numRuns: 30 },
          );
        } finally {
          redis.disconnect();
          bare.disconnect();
        }
      }),
    );
  });
}
