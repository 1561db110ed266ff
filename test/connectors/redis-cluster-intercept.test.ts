import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { intercept } from '../../connectors/redis/intercept/intercept.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { clusterPlace } from './redis-cluster-support.ts';
import { everything, parts, placed, play, type Step } from './redis-intercept-model.ts';
import { assertCaptured, drainAll, type Folded, fold, lines } from './redis-intercept-support.ts';

const cluster = await startRedisCluster();
after(() => cluster.stop());

/** Where the keys of the agents `a` and `b` are. The same slots whatever a key begins with, so that runs can be compared. */
const PLACES: readonly (readonly [name: string, tag: (id: string) => string])[] = [
  ['one slot', (id) => `{x}${id}`],
  ['slots of two nodes', (id) => `{${id}}`],
];
/** Without a pipeline a transaction goes to any node, and is refused. */
const somewhere = parts.map((given) => given.filter(([way]) => way !== 'multi alone'));

let unique = 0;

for (const [name, tag] of PLACES) {
  describe(`an intercepted cluster client, its keys in ${name}`, () => {
    it('answers as the bare client does, leaves the same in every key, and what it captured is what is there', async () => {
      const place = clusterPlace(cluster);
      const { bare, prefix } = place;
      const store = await place.open();
      const redis = place.intercepted();
      const twin = `twin:${prefix}`;
      const tagged = (key: string) =>
        key.startsWith(prefix) || key.startsWith(twin)
          ? key
              .replace(
                /:(agent|q|policy|policies|exp):([ab])$/,
                (_, kind: string, id: string) => `:${kind}:${tag(id)}`,
              )
              .replace(/:(other|set)(.*)$/, `:$1${tag('a')}$2`)
          : key;
      const at = (some: readonly Step[], start: string, numbers: readonly number[]) =>
        placed(some, start, numbers).map((words) => words.map(tagged));
      const folded: Folded = new Map();
      const clear = async () => {
        for (const { redis: node } of cluster.nodes) {
          for (const key of await node.keys('*')) {
            if (key.startsWith(twin)) await bare.del(key);
            else if (key.startsWith(prefix)) await redis.del(key);
          }
        }
        fold((await drainAll(store)).entries, folded);
      };
      try {
        await store.capture?.install();
        await fc.assert(
          fc.asyncProperty(somewhere, async (given) => {
            await clear();
            for (const [way, some] of given) {
              const numbers = Array.from({ length: 20 }, () => unique++);
              const [ours, theirs] = await Promise.all([
                play(redis, way, at(some, prefix, numbers)),
                play(bare, way, at(some, twin, numbers)),
              ]);
              const named = (answers: unknown) =>
                JSON.stringify(answers).replaceAll(twin, '').replaceAll(prefix, '');
              assert.equal(named(ours), named(theirs), `${way} ${JSON.stringify(some)}`);
            }
            assert.deepEqual(await everything(bare, prefix, tagged), await everything(bare, twin, tagged));
            const { entries, unreadable } = await drainAll(store);
            assert.deepEqual(unreadable, []);
            await assertCaptured(store, fold(entries, folded));
          }),
          { numRuns: 12, seed: 4711 },
        );
      } finally {
        await store.close();
        await place.remove();
      }
    });
  });
}

describe('an intercepted cluster client', () => {
  it('refuses a transaction without a pipeline, and a prefix that would decide about slots', async () => {
    const place = clusterPlace(cluster);
    try {
      const redis = place.intercepted();
      await assert.rejects(redis.multi({ pipeline: false }), { code: 'unsupported' });
      assert.throws(() => intercept(place.bare, { ...place.mapping, bookkeepingPrefix: '{x}:' }), {
        code: 'config',
      });
    } finally {
      await place.remove();
    }
  });

  it('is captured too where it was duplicated, and where its node has lost the script', async () => {
    const place = clusterPlace(cluster);
    const store = await place.open();
    const redis = place.intercepted();
    const other = redis.duplicate();
    try {
      await redis.hset(`${place.prefix}agent:1`, 'name', 'x');
      for (const { redis: node } of cluster.nodes) await node.script('FLUSH');
      const chain = redis.pipeline();
      for (let number = 0; number < 3; number++) chain.hset(`${place.prefix}agent:1`, 'name', String(number));
      assert.deepEqual(await chain.exec(), Array(3).fill([null, 0]));
      await other.del(`${place.prefix}agent:1`);
      const { entries } = await drainAll(store);
      assert.deepEqual(lines(entries), ['c agent 1', ...Array(3).fill('u agent 1'), 'd agent 1']);
    } finally {
      other.disconnect();
      await store.close();
      await place.remove();
    }
  });
});
