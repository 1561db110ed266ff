import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drainedBatch, said } from './neo4j-capture-support.ts';
import { sharedTriggeredGraph, triggeredGraph } from './neo4j-trigger-support.ts';

const AGENT = `type: 'x', active: true`;

describe('the Neo4j trigger refuses, and the application’s commit fails with the reason', () => {
  const graph = sharedTriggeredGraph();

  async function refuses(text: string, parameters: object, reason: RegExp): Promise<void> {
    await assert.rejects(graph().write(text, parameters), (error) => {
      assert.match(String(error), /Changeover refuses this write/);
      assert.match(String(error), reason);
      return true;
    });
    const [row] = await graph().graph.run(
      `MATCH (n) WHERE n.id = 'refused' RETURN count(n) AS count`.replace(
        '(n)',
        `(n:${graph().graph.labels.memory})`,
      ),
    );
    assert.equal(Number(row?.get('count')), 0);
    assert.deepEqual(await graph().drained(), []);
  }

  const memory = `CREATE (:Memory {id: 'refused', agentId: 'a', model: $model, embedding: $vector})`;
  const good = [1, 0, 0, 0, 0, 0, 0, 0];

  it('an embedding of another dimension, model, revision, metric or normalisation', async () => {
    await refuses(memory, { model: 'test-model', vector: [1, 0] }, /2 dimensions instead of 8/);
    await refuses(memory, { model: 'another', vector: good }, /model another instead of test-model/);
    for (const [property, value, reason] of [
      ['_spaceRevision', '2', /revision 2 instead of 1/],
      ['_spaceMetric', 'l2', /metric l2 instead of cosine/],
      ['_spaceNormalised', false, /normalised false instead of true/],
    ] as const) {
      await refuses(
        `CREATE (m:Memory {id: 'refused', agentId: 'a', model: 'test-model', embedding: $vector, ${property}: $value})`,
        { vector: good, value },
        reason,
      );
    }
  });

  it('an embedding with a component that is not finite, also as a float32', async () => {
    for (const component of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.5e38]) {
      await refuses(memory, { model: 'test-model', vector: [...good.slice(1), component] }, /not finite/);
    }
  });

  it('an embedding that is no list of numbers', async () => {
    await refuses(memory, { model: 'test-model', vector: ['a', 'b'] }, /no list of numbers/);
    await refuses(memory, { model: 'test-model', vector: 'text' }, /no list of numbers/);
  });

  it('a change that is larger than the log takes, with its size', async () => {
    const text = 'é'.repeat(60_000);
    await refuses(
      `CREATE (:Agent {id: 'large', ${AGENT}, text: $text})`,
      { text },
      /up to 120\d{3} bytes.*takes 100000/,
    );
    await refuses(
      `CREATE (:Agent {id: 'l1', ${AGENT}})-[:KNOWS {strength: 1, text: $text}]->(:Agent {id: 'l2', ${AGENT}})`,
      { text },
      /relationship KNOWS.*120\d{3} bytes/,
    );
    await graph().write(`CREATE (:Agent {id: 'fits', ${AGENT}, text: $text})`, { text: 'x'.repeat(98_000) });
    assert.deepEqual(said(await graph().drained()), ['c agent fits']);
  });
});

describe('what is no entity, under the Neo4j trigger', () => {
  const graph = sharedTriggeredGraph();

  it('does not fail the application’s transaction, and what has no key is not captured', async () => {
    await graph().write(
      `CREATE (:Agent {id: 7, ${AGENT}}), (:Agent {${AGENT}}), (:Agent {id: '', ${AGENT}}), (:Memory {id: 'no vector'}),
         (:Agent {id: 8, ${AGENT}})-[:KNOWS]->(:Agent {id: 9, ${AGENT}})`,
    );
    await graph().write('MATCH (n:Agent) SET n.age = 1');
    await graph().write('MATCH (n:Agent) DETACH DELETE n');
    assert.deepEqual(await drainedBatch(graph().capture), { entries: [], unreadable: [] });
  });

  it('is answered as unreadable, with the reason, where it has a key', async () => {
    await graph().write(
      `CREATE (:Agent {id: 'bad', active: true}), (:Agent {id: 'list', ${AGENT}, many: [1, 2]}),
         (:Agent {id: 'huge', ${AGENT}, n: 9007199254740993}), (:Agent {id: 'when', ${AGENT}, at: datetime()}),
         (:Agent {id: 'proto', ${AGENT}, \`__proto__\`: 1})`,
    );
    const { entries, unreadable } = await drainedBatch(graph().capture);
    assert.deepEqual(entries, []);
    const reasons = new Map(unreadable.map(({ where, reason }) => [where.split(' ')[1], reason]));
    assert.match(reasons.get('bad') ?? '', /type is not a string/);
    assert.match(reasons.get('list') ?? '', /"many" is a list/);
    assert.match(reasons.get('huge') ?? '', /9007199254740993/);
    assert.match(reasons.get('when') ?? '', /"at" is a DateTime/);
    assert.match(reasons.get('proto') ?? '', /__proto__/);
    await graph().write('MATCH (n:Agent) DETACH DELETE n');
    const gone = await graph().drained();
    assert.ok(gone.length === 5 && gone.every(({ change }) => change.op === 'd' && change.before === null));
  });
});

describe('a full outbox under the Neo4j trigger', () => {
  const create = `CREATE (:Agent {id: $id, ${AGENT}})`;

  it('refuses writes to what is captured, takes others, and takes all again when it was drained', async () => {
    const graph = await triggeredGraph({ maxEntries: 2, whenFull: 'refuse' });
    try {
      await graph.write(create, { id: 'a' });
      await graph.write(create, { id: 'b' });
      await assert.rejects(
        graph.write(create, { id: 'c' }),
        /refuses this write.*outbox is full, 2 captured writes/,
      );
      await assert.rejects(graph.write('MATCH (n:Agent) DETACH DELETE n'), /outbox is full/);
      await graph.write(`CREATE (:Agent_else {id: 'd'})-[:KNOWS]->(:Agent_else {id: 'e'})`);
      assert.deepEqual(said(await graph.drained()), ['c agent a', 'c agent b']);
      await graph.write(create, { id: 'c' });
      assert.deepEqual(said(await graph.drained()), ['c agent c']);
    } finally {
      await graph.remove();
    }
  });

  it('drops capture where that is the policy: versions go on, and the loss has a time', async () => {
    const graph = await triggeredGraph({ maxEntries: 1, whenFull: 'drop' });
    try {
      await graph.write(create, { id: 'a' });
      assert.equal((await graph.capture.status()).lostSinceUs, null);
      await graph.write('MATCH (n:Agent) SET n.age = 1');
      await graph.write('MATCH (n:Agent) SET n.age = 2');
      const { lostSinceUs, entries } = await graph.capture.status();
      const [entry] = await graph.drained();
      const [held] = await graph.store.source.get('agent', ['a']);
      assert.equal(entries, 1);
      assert.ok(lostSinceUs !== null && entry !== undefined && lostSinceUs > entry.change.version);
      assert.ok((held?.version ?? 0) > lostSinceUs);
      // Of the two writes that were lost the second is later than this.
      await graph.capture.acceptLoss(lostSinceUs);
      assert.equal((await graph.capture.status()).lostSinceUs, lostSinceUs + 1);
      await graph.capture.acceptLoss(Number(held?.version) + 1_000_000);
      assert.equal((await graph.capture.status()).lostSinceUs, null);
    } finally {
      await graph.remove();
    }
  });
});
