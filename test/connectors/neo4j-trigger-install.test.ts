import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Neo4jClient } from '../../connectors/neo4j/client.ts';
import { namesOf } from '../../connectors/neo4j/names.ts';
import { neo4jOptions } from '../../connectors/neo4j/options.ts';
import { openTrigger } from '../../connectors/neo4j/trigger.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { CAPTURE_TEST_SETTINGS } from '../contract/capture.ts';
import { capturedGraph, drainedBatch, said } from './neo4j-capture-support.ts';
import type { TestGraph } from './neo4j-graph.ts';
import { triggeredGraph } from './neo4j-trigger-support.ts';

const CREATE = `CREATE (:Agent {id: $id, type: 'x', active: true})`;

describe('the Neo4j trigger', () => {
  it('is not active before it is installed, and not after it was uninstalled', async () => {
    const place = capturedGraph('trigger');
    try {
      const store = await place.open();
      await store.prepare();
      assert.deepEqual(await active(store.capture), [false, 'capture is not installed']);
      await store.capture.install();
      assert.equal((await active(store.capture))[0], true);
      await store.capture.uninstall();
      assert.deepEqual(await active(store.capture), [false, 'capture is not installed']);
      await place.graph.run(`CREATE (:${place.graph.labels.agent} {id: 'unseen', type: 'x', active: true})`);
      const [held] = await store.source.get('agent', ['unseen']);
      assert.equal(held?.version, null);
      assert.equal((await store.capture.status()).entries, 0);
    } finally {
      await place.remove();
    }
  });

  it('ends with its settings: who installs or uninstalls the graph writer leaves no trigger behind', async () => {
    for (const end of ['install', 'uninstall'] as const) {
      const place = capturedGraph('trigger');
      try {
        const { capture, prepare } = await place.open();
        await prepare();
        await capture.install();
        const writer = (await place.open({ capture: 'writer' })).capture;
        assert.match((await active(writer))[1], /a trigger from before captures the others still/);
        await writer[end]();
        await place.graph.run(
          `CREATE (:${place.graph.labels.agent} {id: 'unseen', type: 'x', active: true})`,
        );
        const { entries, detail } = await writer.status();
        assert.equal(entries, 0);
        assert.match(detail, end === 'install' ? /other writes are not$/ : /not installed/);
      } finally {
        await place.remove();
      }
    }
  });

  it('captures only the kinds of which this store is the origin', async () => {
    for (const kinds of [['embedding'], ['agent', 'relationship']] as const) {
      const place = capturedGraph('trigger', {}, kinds);
      try {
        const { agent, memory } = place.graph.labels;
        const store = await place.open();
        await store.prepare();
        await store.capture.install();
        await place.graph.run(
          `CREATE (a:${agent} {id: 'a', type: 'x', active: true})-[:KNOWS {strength: 1}]->(:${agent} {id: 'b', type: 'x', active: true})
           CREATE (:${memory} {id: 'm', agentId: 'a', model: 'test-model', _spaceRevision: '1', embedding: $vector})`,
          { vector: [1, 0, 0, 0, 0, 0, 0, 0] },
        );
        await place.graph.run(`MATCH (n:${agent} {id: 'a'}) DETACH DELETE n`);
        const { entries, unreadable } = await drainedBatch(store.capture);
        assert.deepEqual(unreadable, []);
        assert.deepEqual(new Set(entries.map(({ change }) => change.kind)), new Set<Kind>(kinds));
      } finally {
        await place.remove();
      }
    }
  });

  it('waits for what was being written when it became active, but not for ever', async () => {
    const place = capturedGraph('trigger');
    const session = place.graph.driver.session();
    try {
      const store = await place.open();
      await store.prepare();
      const transaction = session.beginTransaction();
      await transaction.run(`CREATE (:${place.graph.labels.agent} {id: 'early', type: 'x', active: true})`);
      let isInstalled = false;
      const installing = store.capture.install().then(() => {
        isInstalled = true;
      });
      while (!(await active(store.capture))[0]) await systemClock.sleep(100);
      await systemClock.sleep(2_000);
      assert.equal(isInstalled, false);
      await transaction.commit();
      await installing;
      // It had not begun to commit, so it is captured as any other.
      assert.deepEqual(said(await drainedBatch(store.capture).then(({ entries }) => entries)), [
        'c agent early',
      ]);
    } finally {
      await session.close();
      await place.remove();
    }
  });

  it('stays while the outbox holds entries, which would be lost', async () => {
    const graph = await triggeredGraph();
    try {
      await graph.write(CREATE, { id: 'kept' });
      await assert.rejects(graph.capture.uninstall(), {
        code: 'conflict',
        message: /1 captured writes wait/,
      });
      assert.deepEqual(said(await graph.drained()), ['c agent kept']);
      await graph.write(CREATE, { id: 'still captured' });
      assert.deepEqual(said(await graph.drained()), ['c agent still captured']);
      await graph.capture.uninstall();
    } finally {
      await graph.remove();
    }
  });

  it('says that it is paused, or captures by other settings than these', async () => {
    const graph = await triggeredGraph();
    try {
      const other = await graph.open({}, { maxChangeBytes: 50_000 });
      assert.match((await active(other.capture))[1], /other settings/);
      await onTrigger(graph.graph, 'stop');
      const [isActive, detail] = await untilSaid(graph.capture, /is paused/);
      assert.match(detail, /is paused/);
      assert.equal(isActive, false);
      await onTrigger(graph.graph, 'start');
      await untilSaid(graph.capture, /captures every write/);
    } finally {
      await graph.remove();
    }
  });

  it('is looked at by the probe', async () => {
    const place = capturedGraph('trigger');
    try {
      const store = await place.open();
      await store.prepare();
      const look = async () => (await store.probe.check()).find(({ check }) => check === 'capture');
      const before = await look();
      assert.equal(before?.ok, false);
      assert.match(before?.fix ?? '', /changeover capture install/);
      await store.capture.install();
      assert.deepEqual((await look())?.ok, true);
    } finally {
      await place.remove();
    }
  });
});

describe('the Neo4j trigger, where the server does not let it be', () => {
  for (const [what, message] of [
    ['has no APOC', 'There is no procedure with the name `apoc.trigger.install` registered'],
    [
      'has its triggers disabled',
      "Triggers have not been enabled. Set 'apoc.trigger.enabled=true' in your apoc.conf",
    ],
  ] as const) {
    it(`says what to set: it ${what}`, async () => {
      const fails = async () => {
        throw new ChangeoverError('internal', message);
      };
      const client = {
        where: 'here',
        database: 'neo4j',
        runOnSystem: fails,
        runAlone: fails,
      } as unknown as Neo4jClient;
      const options = neo4jOptions.parse({});
      const context = {
        name: 'legacy.neo4j',
        role: 'legacy',
        kinds: [],
        logger: silentLogger,
        clock: systemClock,
      } as const;
      const scope = { client, names: namesOf(options.labels), options, context };
      const trigger = openTrigger(scope, CAPTURE_TEST_SETTINGS);
      await assert.rejects(trigger.install(), {
        code: 'unsupported',
        hint: /apoc\.trigger\.enabled.*unrestricted/,
      });
      const { active: isActive, detail } = await trigger.look();
      assert.equal(isActive, false);
      assert.match(detail, /apoc/);
    });
  }
});

type Look = { status(): Promise<{ readonly active: boolean; readonly detail: string }> };

async function active(capture: Look): Promise<readonly [boolean, string]> {
  const { active: isActive, detail } = await capture.status();
  return [isActive, detail];
}

async function untilSaid(capture: Look, words: RegExp): Promise<readonly [boolean, string]> {
  for (;;) {
    const said = await active(capture);
    if (words.test(said[1])) return said;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function onTrigger({ driver, labels, options }: TestGraph, what: 'stop' | 'start'): Promise<void> {
  const parameters = { database: options().database, name: `changeover_${labels.agent}` };
  await driver.executeQuery(`CALL apoc.trigger.${what}($database, $name)`, parameters, {
    database: 'system',
  });
}
