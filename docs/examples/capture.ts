/**
 * Live capture inside an application: three ways to write, all of them captured.
 *
 *   node docs/examples/capture.ts changeover.yaml
 */
import { openEmbedded } from 'changeover';
import { Redis } from 'ioredis';

const changeover = await openEmbedded({ config: process.argv[2] ?? 'changeover.yaml' });
const stop = new AbortController();
const relaying = changeover.relay.run(stop.signal).catch((error: unknown) => {
  console.error('The relay has stopped; writes go on into the outboxes:', error);
});

// 1. The application's own Redis client. Writes to its keys are captured, everything else passes.
const { redisUrl, redisPassword } = process.env;
const redis = changeover.intercept(
  new Redis(redisUrl ?? 'redis://127.0.0.1:6379', { password: redisPassword }),
);
await redis.hset('rl:q:ada', 'hall|1', JSON.stringify({ value: 0.75, visits: 12 }));
await redis
  .multi()
  .set('rl:policy:ada', JSON.stringify({ algorithm: 'q-learning', actions: { hall: 1 } }))
  .set('sessions:42', 'not of the mapping: it passes')
  .exec();

// 2. The society's dictionary. It reads as a Map; a write resolves when it is durable.
const { dictionary } = changeover;
if (dictionary === undefined) throw new Error('The configuration has no legacy.dictionary.');
await dictionary.set('bob', {
  id: 'bob',
  type: 'citizen',
  active: true,
  attributes: { name: 'Bob', age: 41 },
  memory: { friends: [] },
});
await dictionary.update('bob', (bob) => {
  if (bob === undefined) throw new Error('Bob has gone.');
  return { ...bob, attributes: { ...bob.attributes, age: 42 } };
});

// 3. The domain API: whole states of entities, whatever store they belong to.
const { shim } = changeover;
await shim.upsertAgent({ id: 'ada', type: 'citizen', active: true, attributes: { name: 'Ada' } });
await shim.relate({ source: 'ada', type: 'KNOWS', target: 'bob', strength: 80 });
const results = await shim
  .batch()
  .putQValue({ agentId: 'ada', state: 'garden', action: 2, value: 1 / 3, visits: 1 })
  .unrelate({ source: 'ada', type: 'KNOWS', target: 'bob' })
  .write();
console.log(results.map(({ status }) => status).join(', '));

stop.abort();
await relaying;
redis.disconnect();
await changeover.close();
