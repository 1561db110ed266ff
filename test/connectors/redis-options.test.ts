import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readTarget } from '../../connectors/redis/client/target.ts';
import { redisConnector } from '../../connectors/redis/connector.ts';
import {
  globOf,
  idIn,
  type KeyPattern,
  keyFor,
  overlap,
  parsePattern,
} from '../../connectors/redis/key-patterns.ts';
import { HOSTILE_TEXTS } from '../support/entities.ts';
import { redisOptions } from './redis-support.ts';

function faultsOf(given: object): readonly string[] {
  const parsed = redisConnector.options.safeParse(given);
  return parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

function pattern(text: string): KeyPattern {
  const parsed = parsePattern(text);
  assert.ok(parsed !== undefined);
  return parsed;
}

describe('key patterns', () => {
  it('have one place for the id, under either name', () => {
    assert.deepEqual(parsePattern('a:{id}:b'), { prefix: 'a:', suffix: ':b' });
    assert.deepEqual(parsePattern('{agentId}'), { prefix: '', suffix: '' });
    // The braces of a hash tag belong to the key.
    assert.deepEqual(parsePattern('rl:{{id}}:q'), { prefix: 'rl:{', suffix: '}:q' });
    for (const text of ['rl:q', 'a:{id}:{id}', '{id}{agentId}', 'a:{ID}', ''])
      assert.equal(parsePattern(text), undefined);
  });

  it('give back any id that was put into a key', () => {
    for (const id of HOSTILE_TEXTS)
      assert.equal(idIn(pattern('a*:{id}:z'), keyFor(pattern('a*:{id}:z'), id)), id);
    assert.equal(idIn(pattern('aba{id}aba'), 'aba'), undefined);
    assert.equal(idIn(pattern('a:{id}'), 'a:'), '');
  });

  it('escape what is special to SCAN MATCH', () => {
    assert.equal(globOf(pattern('a*?[b]\\{id}^-')), 'a\\*\\?\\[b\\]\\\\*^-');
  });

  it('overlap just where one key could belong to both', () => {
    const part = fc.string({ unit: fc.constantFrom('a', ':'), maxLength: 3 });
    const any = fc.record({ prefix: part, suffix: part });
    fc.assert(
      fc.property(any, any, (left, right) => {
        const longest = (a: string, b: string) => (a.length > b.length ? a : b);
        const key = `${longest(left.prefix, right.prefix)}x${longest(left.suffix, right.suffix)}`;
        const claimed = idIn(left, key) !== undefined && idIn(right, key) !== undefined;
        assert.equal(overlap(left, right), claimed);
      }),
    );
  });
});

describe('the options of Redis', () => {
  it('are the legacy application as it is, by default', () => {
    assert.deepEqual(redisOptions({}).keys, {
      agent: 'agent:{id}',
      qValues: 'rl:q:{id}',
      policy: 'rl:policy:{id}',
      namedPolicies: 'rl:policies:{id}',
      experiences: 'rl:exp:{id}',
    });
  });

  it('refuse patterns that could claim the same key, and name both', () => {
    assert.deepEqual(faultsOf({ keys: { qValues: 'agent:{id}:q' } }), [
      'keys.qValues: could claim the same key as agent: give them different beginnings',
    ]);
    assert.deepEqual(faultsOf({ keys: { agent: 'agent:{id}:hash', qValues: 'agent:{id}:q' } }), []);
    assert.deepEqual(faultsOf({ bookkeepingPrefix: 'rl:' }).length, 4);
  });

  it('refuse a pattern without a place for the id, or that claims our marks', () => {
    assert.match(faultsOf({ keys: { agent: 'agent' } })[0] ?? '', /^keys\.agent: must hold \{id\}/);
    const faults = faultsOf({ bookkeepingPrefix: 'own:', keys: { agent: 'changeover:{id}' } });
    assert.match(faults[0] ?? '', /^keys\.agent: claims changeover:places/);
  });

  it('refuse a url of something else', () => {
    for (const url of ['http://a:1', 'redis://', 'redis://a/b', 'redis://a/0?x=1']) {
      assert.match(faultsOf({ url })[0] ?? '', /^url: /, url);
    }
  });

  it('take user, password, TLS and database from a url, and a password beside it', async () => {
    const target = await readTarget(redisOptions({ url: 'rediss://me:p%40ss@[::1]:7000/3' }));
    assert.partialDeepStrictEqual(target, {
      host: '::1',
      port: 7000,
      db: 3,
      username: 'me',
      password: 'p@ss',
    });
    assert.equal(target.tls?.rejectUnauthorized, true);
    const beside = await readTarget(redisOptions({ url: 'redis://h', password: 'secret' }));
    assert.deepEqual(beside, { host: 'h', port: 6379, db: 0, password: 'secret' });
  });

  it('say which file cannot be read', async () => {
    await assert.rejects(readTarget(redisOptions({ passwordFile: '/no/such/file' })), { code: 'config' });
    const tls = redisOptions({ tls: true, tlsCaFile: '/no/such/file' });
    await assert.rejects(readTarget(tls), { code: 'config', message: /tlsCaFile/ });
  });
});
