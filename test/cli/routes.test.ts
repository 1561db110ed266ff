import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../cli/config.ts';
import { routesOf } from '../../cli/routes.ts';
import { ChangeoverError } from '../../core/errors.ts';

const routes = (config: unknown) => routesOf(configSchema.parse(config));

describe('where everything moves', () => {
  it('is never from a place into itself', () => {
    const server = { url: 'bolt://127.0.0.1:7687', password: 'x' };
    const same: readonly Record<string, unknown>[] = [
      { legacy: { neo4j: server }, target: { neo4j: server } },
      { legacy: { redis: { url: 'redis://h:1/2' } }, target: { redis: { host: 'h', port: 1, db: 2 } } },
      { legacy: { dictionary: { file: 'a.json' } }, target: { dictionary: { file: './b/../a.json' } } },
    ];
    for (const config of same) {
      assert.throws(
        () => routes(config),
        (error) => {
          assert.ok(error instanceof ChangeoverError && error.code === 'config');
          return /are the same/.test(error.message);
        },
      );
    }
  });

  it('may be from one Neo4j into other labels of it', () => {
    const server = { url: 'bolt://127.0.0.1:7687', password: 'x' };
    const legacy = { neo4j: { ...server, labels: { agent: 'Old', memory: 'Memory' } } };
    const { origins, followers } = routes({ legacy, target: { neo4j: server } });
    assert.equal(origins.get('agent'), 'neo4j');
    assert.deepEqual(followers.get('neo4j'), ['agent', 'relationship']);
  });

  it('is refused where two stores could be the origin of a kind', () => {
    const legacy = { dictionary: { file: 'a.json' }, redis: {}, neo4j: { password: 'x' } };
    assert.throws(() => routes({ legacy }), /origins\.agent: .* could both be the origin/);
  });
});
