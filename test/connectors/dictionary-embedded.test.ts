import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openEmbedded } from '../../cli/embedded.ts';
import type { Capture } from '../../connectors/capture.ts';
import { openSite, type Site } from '../server/site.ts';

function openSociety(t: TestContext): Promise<Site> {
  return openSite(t, {
    more: { origins: { agent: 'dictionary', relationship: 'dictionary' }, log: { level: 'silent' } },
    legacy: (folder) => {
      const file = join(folder, 'society.json');
      writeFileSync(file, '{}');
      return { dictionary: { file } };
    },
  });
}

async function drained(capture: Capture): Promise<void> {
  const DEADLINE_MS = 60_000;
  for (const start = performance.now(); (await capture.status()).entries > 0; await delay(20))
    assert.ok(performance.now() - start < DEADLINE_MS, 'nothing is relayed');
}

describe('live capture inside an application that has a dictionary', () => {
  it('does not undo that capture was uninstalled', async (t) => {
    const { configFile: config, cli } = await openSociety(t);
    for (const command of [['install'], ['uninstall', 'dictionary']]) {
      const { code, stderr } = await cli('capture', ...command);
      assert.equal(code, 0, stderr);
    }
    const opening = openEmbedded({ config, env: {} });
    opening.then((changeover) => changeover.close()).catch(() => {});
    await assert.rejects(opening, {
      code: 'mismatch',
      message: /society\.json/,
      hint: /capture install/,
    });
  });

  it('relays what it has written from where it has written it', async (t) => {
    const site = await openSociety(t);
    const installed = await site.cli('capture', 'install');
    assert.equal(installed.code, 0, installed.stderr);
    const changeover = await openEmbedded({ config: site.configFile, env: {} });
    const stop = new AbortController();
    const { dictionary, shim, relay } = changeover;
    assert.ok(dictionary !== undefined);
    const claim = t.mock.method(dictionary.capture, 'claim');
    const relaying = relay.run(stop.signal);
    try {
      await dictionary.set('ada', { type: 'citizen', memory: { friends: ['bob'] } });
      await shim.upsertAgent({ id: 'bob', type: 'citizen', active: true, attributes: {} });
      await drained(dictionary.capture);
      const keys = (await site.log(3)).map(({ kind, key }) => `${kind} ${key}`);
      assert.deepEqual(keys.toSorted(), ['agent ada', 'agent bob', 'relationship ["ada","KNOWS","bob"]']);
      const drains = await Promise.all(claim.mock.calls.map(({ result }) => result));
      assert.equal(drains.filter((drain) => drain !== undefined).length, 1);
    } finally {
      stop.abort();
      await relaying;
      await changeover.close();
    }
  });

  it('says that it is closed to who writes afterwards, and writes nothing', async (t) => {
    const site = await openSociety(t);
    assert.equal((await site.cli('capture', 'install')).code, 0);
    const changeover = await openEmbedded({ config: site.configFile, env: {} });
    const { dictionary, shim } = changeover;
    await changeover.close();
    const closed = { code: 'aborted', message: /closed/ };
    await assert.rejects(shim.upsertAgent({ id: 'late', type: 'citizen', active: true }), closed);
    await assert.rejects(shim.putPolicy({ agentId: 'late', algorithm: 'x', revision: 0 }), closed);
    await assert.rejects(dictionary?.set('late', {}) ?? Promise.resolve(), closed);
    assert.equal(await site.redis.exists(`${site.name}:policy:late`), 0);
    assert.equal(dictionary?.has('late'), false);
  });
});
