import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { neo4jOptions } from '../../connectors/neo4j/options.ts';

describe('the configuration of a Neo4j store', () => {
  for (const [what, section] of Object.entries({
    'an address of another sort': { url: 'http://127.0.0.1:7474' },
    'a label that would break out of a query': { labels: { agent: 'A`) DETACH DELETE n //' } },
    'one label for agents and embeddings': { labels: { agent: 'Thing', memory: 'Thing' } },
    'a label of ours': { labels: { agent: 'ChangeoverMark' } },
    'an option that does not exist': { passwort: 'x' },
  })) {
    it(`refuses ${what}`, () => {
      assert.equal(neo4jOptions.safeParse(section).success, false);
    });
  }

  it('needs nothing but the password, and describes every option', () => {
    const { labels, space, url } = neo4jOptions.parse({ password: 'x' });
    assert.deepEqual(labels, { agent: 'Agent', memory: 'Memory' });
    assert.deepEqual(space, { revision: '1', metric: 'cosine', normalised: true });
    assert.equal(url, 'bolt://127.0.0.1:7687');
    for (const [name, option] of Object.entries(neo4jOptions.shape)) assert.ok(option.description, name);
  });
});
