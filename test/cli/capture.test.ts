import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { collectionSpace } from '../../cli/collection-space.ts';
import { configSchema } from '../../cli/config.ts';
import { captureTable } from '../../cli/output/capture-table.ts';
import { chosenOrigins, kindsOfOrigin, routesOf } from '../../cli/routes.ts';

const configOf = (config: unknown) => configSchema.parse(config);

const LEGACY = {
  legacy: { dictionary: { file: 'a.json' }, redis: {}, neo4j: { password: 'x' } },
  origins: { agent: 'dictionary', relationship: 'dictionary', embedding: 'neo4j' },
};

describe('the stores that are captured', () => {
  const routes = routesOf(configOf(LEGACY));

  it('are those that are the origin of a kind', () => {
    assert.deepEqual(chosenOrigins(routes, undefined), ['dictionary', 'neo4j', 'redis']);
    assert.deepEqual(chosenOrigins(routes, ['redis']), ['redis']);
    assert.deepEqual(kindsOfOrigin(routes, 'redis'), ['experience', 'q-value', 'policy']);
    assert.throws(() => chosenOrigins(routes, ['redis', 'milvus']), { code: 'usage', message: /milvus/ });
    const only = routesOf(configOf({ ...LEGACY, origins: { ...LEGACY.origins, embedding: 'none' } }));
    assert.throws(() => chosenOrigins(only, ['neo4j']), { code: 'usage' });
    assert.throws(() => chosenOrigins(routesOf(configOf({})), undefined), { code: 'config' });
  });

  it('refuse embeddings of another space than the collection is configured to have', () => {
    const spaceOf = (target: object, followers: object = {}) => {
      const config = configOf({ ...LEGACY, target, followers });
      return collectionSpace(config, routesOf(config));
    };
    assert.deepEqual(spaceOf({ milvus: { model: 'm', dimension: 8, metric: 'l2', normalised: false } }), {
      model: 'm',
      revision: '',
      dimension: 8,
      metric: 'l2',
      normalised: false,
    });
    assert.equal(spaceOf({ milvus: {} }), undefined);
    assert.equal(spaceOf({ postgres: { password: 'x' } }), undefined);
  });

  it('are shown with what an operator has to see', () => {
    const status = {
      active: true,
      detail: 'by a trigger',
      entries: 1_234,
      oldestUs: 1_000_000,
      maxEntries: 5_000,
      setAside: 0,
      lostSinceUs: null,
    };
    const lost = { ...status, active: false, entries: 0, oldestUs: null, lostSinceUs: 1_700_000_000_000_000 };
    const [header, first, second] = captureTable(
      [
        { store: 'legacy.neo4j', ...status },
        { store: 'legacy.redis', ...lost },
      ],
      5_200_000,
    ).split('\n');
    assert.match(header ?? '', /^store +captured +entries +of at most +oldest +set aside +lost +how$/);
    assert.match(first ?? '', /^legacy\.neo4j +yes +1,234 +5,000 +4\.2 s +0 +by a trigger$/);
    assert.match(second ?? '', /^legacy\.redis +NO +0 +5,000 +0 +SINCE 2023-11-14T22:13:20\.000Z/);
  });
});
