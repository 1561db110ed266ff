import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Cluster, Redis } from 'ioredis';
import { experienceText } from './redis-support.ts';

/** Commands of an application, as a property test draws them. */

/** A command whose first word is its name; keys begin with `~`, which stands for the prefix. */
export type Step = readonly string[];

const pick = (...texts: string[]) => fc.constantFrom(...texts);
const agents = pick('a', 'b');
const agentKey = agents.map((id) => `~agent:${id}`);
const qKey = agents.map((id) => `~q:${id}`);
const policyKey = agents.map((id) => `~policy:${id}`);
const namedKey = agents.map((id) => `~policies:${id}`);
const field = pick('name', 'age', 'x y', '_attr_id', '😀');
const text = pick('1', '7.5', 'true', 'Ada', '"quoted"', '', 'ü', '-0');
const state = pick('s|1', 's|2', 't|x|-3', '"|0');
const qValue = fc.integer({ min: 0, max: 9 }).map((value) => `{"value":${value}.5,"visits":${value}}`);
const policy = fc
  .integer({ min: 0, max: 9 })
  .map((alpha) => `{"algorithm":"q","parameters":{"alpha":${alpha}}}`);
const seconds = pick('-1', '0', '10000', '20000');
const anyKey = fc.oneof(
  agentKey,
  qKey,
  policyKey,
  namedKey,
  agents.map((id) => `~exp:${id}`),
  fc.constant('~other'),
);

function step(...words: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<Step> {
  return fc.tuple(...words.map((word) => (typeof word === 'string' ? fc.constant(word) : word)));
}

/** Ids are unique: `#` becomes a number that no other step of the run has. */
const element = fc.integer({ min: 0, max: 3 }).map((at) => experienceText('#', at));
const listKey = agents.map((id) => `~exp:${id}`);
const index = pick('-3', '-1', '0', '1', '2', '5', 'x');

export const steps: fc.Arbitrary<Step> = fc.oneof(
  step('hset', agentKey, field, text),
  step('hset', agentKey, field, text, field, text),
  step('hmset', agentKey, field, text),
  step('hsetnx', agentKey, field, text),
  step('hincrby', agentKey, pick('age', 'name'), '3'),
  step('hincrbyfloat', agentKey, pick('age', 'name'), '0.1'),
  step('hdel', agentKey, field, field),
  step('hset', qKey, state, qValue),
  step('hset', qKey, state, qValue, state, qValue),
  step('hmset', qKey, state, qValue),
  step('hsetnx', qKey, state, qValue),
  step('hdel', qKey, state, state),
  step('hset', namedKey, field, policy),
  step('hdel', namedKey, field),
  step('set', policyKey, policy),
  step('SET', policyKey, policy, pick('nx', 'XX', 'get', 'keepttl')),
  step('set', policyKey, policy, 'NX', 'GET'),
  step('set', policyKey, policy, 'EX', '10000'),
  step('set', policyKey, policy, 'EX', '0'),
  step('set', policyKey, policy, 'NX', 'XX'),
  step('setnx', policyKey, policy),
  step('setex', policyKey, '10000', policy),
  step('psetex', policyKey, '10000000', policy),
  step('getset', policyKey, policy),
  step('getdel', policyKey),
  step('getex', policyKey, 'persist'),
  step('rpush', listKey, element),
  step('rpush', listKey, element, element),
  step('lpush', listKey, element, element),
  step('rpushx', listKey, element),
  step('lpushx', listKey, element),
  step('ltrim', listKey, index, index),
  step('del', anyKey, anyKey),
  step('unlink', anyKey),
  step('expire', anyKey, seconds),
  step('pexpire', anyKey, pick('0', '10000000', 'x')),
  step('expireat', anyKey, pick('1000', '9999999999')),
  step('pexpireat', anyKey, pick('1000', '9999999999000')),
  step('persist', anyKey),
  // Wrong numbers of words, reads, and keys that nobody maps.
  step('hset', agentKey, field),
  step('set', policyKey),
  step('del'),
  step('hgetall', agentKey),
  step('lrange', listKey, '0', '-1'),
  step('get', policyKey),
  step('set', '~other', text),
  step('sadd', '~set', pick('~agent:a', 'x')),
);

export type Way = 'alone' | 'call' | 'buffer' | 'callback' | 'pipeline' | 'multi' | 'multi alone' | 'at once';
export const ways = fc.constantFrom<Way>(
  'alone',
  'call',
  'buffer',
  'callback',
  'pipeline',
  'multi',
  'multi alone',
  'at once',
);
export const parts = fc.array(fc.tuple(ways, fc.array(steps, { minLength: 1, maxLength: 6 })), {
  minLength: 1,
  maxLength: 8,
});

type Method = (...args: unknown[]) => Promise<unknown>;
type Methods = Readonly<Record<string, Method>>;
const methods = (client: unknown) => client as Methods;

/** Replies and errors as they can be compared. */
async function said(reply: Promise<unknown>): Promise<unknown> {
  return reply.then(plain, (error: Error) => `${error.name}: ${error.message}`);
}

function plain(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return `bytes ${reply}`;
  if (reply instanceof Error) return `${reply.name}: ${reply.message}`;
  return Array.isArray(reply) ? reply.map(plain) : reply;
}

function send(client: unknown, [name = '', ...args]: Step, suffix = ''): Promise<unknown> {
  const method = methods(client)[name.toLowerCase() + suffix];
  assert.ok(method, name);
  return method.apply(client, args);
}

export async function play(client: Redis | Cluster, way: Way, some: readonly Step[]): Promise<unknown> {
  const replies: unknown[] = [];
  switch (way) {
    case 'at once':
      return Promise.all(some.map((each) => said(send(client, each))));
    case 'pipeline':
    case 'multi': {
      const chain = way === 'multi' ? client.multi() : client.pipeline();
      // A chain answers itself, no promise.
      for (const each of some) void send(chain, each);
      return said(chain.exec());
    }
    case 'multi alone':
      replies.push(await said(client.multi({ pipeline: false })));
      for (const each of some) replies.push(await said(send(client, each)));
      replies.push(await said(client.exec()));
      return replies;
    default:
      for (const each of some) replies.push(await said(sendAlone(client, way, each)));
      return replies;
  }
}

function sendAlone(client: Redis | Cluster, way: Way, each: Step): Promise<unknown> {
  if (way === 'call') return client.call(...(each as [string, ...string[]]));
  if (way === 'buffer')
    return send(
      client,
      each.map((word, place) => (place === 1 ? Buffer.from(word) : word)) as never,
      'Buffer',
    );
  if (way !== 'callback') return send(client, each);
  return new Promise((resolve, reject) => {
    const [name = '', ...args] = each;
    const callback = (error: Error | null, reply: unknown) => (error ? reject(error) : resolve(reply));
    methods(client)
      [name.toLowerCase()]?.call(client, ...args, callback)
      .catch(() => undefined);
  });
}

/** All keys with their type, content and time to live, to some seconds. */
export async function everything(
  client: Redis | Cluster,
  prefix: string,
  name: (key: string) => string = (key) => key,
): Promise<unknown> {
  const found: Record<string, unknown> = {};
  for (const kind of ['agent:', 'q:', 'policy:', 'policies:', 'exp:', 'other', 'set']) {
    for (const id of ['a', 'b', '']) {
      const key = name(prefix + kind + id);
      const type = await client.type(key);
      if (type === 'none') continue;
      const content =
        type === 'hash'
          ? await client.hgetall(key)
          : type === 'list'
            ? await client.lrange(key, 0, -1)
            : type === 'set'
              ? (await client.smembers(key)).map((member) => member.replace(prefix, '~')).sort()
              : await client.get(key);
      const ttl = await client.pttl(key);
      found[kind + id] = [type, content, ttl < 0 ? ttl : Math.round(ttl / 60_000)];
    }
  }
  return found;
}

export function placed(some: readonly Step[], prefix: string, numbers: readonly number[]): readonly Step[] {
  let next = 0;
  return some.map((each) =>
    each.map((word) =>
      word.startsWith('~') ? prefix + word.slice(1) : word.replace('"#"', () => `"x${numbers[next++]}"`),
    ),
  );
}
