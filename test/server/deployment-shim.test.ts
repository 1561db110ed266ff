import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readConfig } from '../../cli/config.ts';
import { withDeployment } from '../../cli/deployment.ts';
import { openDeploymentShim } from '../../cli/work/writers.ts';
import { openSite } from './site.ts';

const ORIGINS = { agent: 'dictionary', relationship: 'dictionary' };

describe('the domain API over a deployment', () => {
  it('writes each kind to its origin and into its outbox, with the configured failure policy', async (t) => {
    const site = await openSite(t, {
      more: { origins: ORIGINS, shim: { onFailure: 'log' }, log: { level: 'silent' } },
      legacy: (folder) => {
        const file = join(folder, 'society.json');
        writeFileSync(file, '{}');
        return { dictionary: { file } };
      },
    });
    const config = readConfig(site.configFile, {});
    const refused = withDeployment(config, (deployment) => openDeploymentShim(deployment), { capture: true });
    await assert.rejects(refused, { code: 'mismatch', message: /not captured/ });
    const installed = await site.cli('capture', 'install');
    assert.equal(installed.code, 0, installed.stderr);
    await withDeployment(
      config,
      async (deployment) => {
        const told: string[] = [];
        const observer = {
          onResult: (kind: string, { status }: { status: string }) => told.push(`${kind} ${status}`),
        };
        const shim = await openDeploymentShim(deployment, observer);
        const batch = shim.batch();
        for (const id of ['ada', 'bob'])
          batch.upsertAgent({ id, type: 'citizen', active: true, attributes: {} });
        batch.relate({ source: 'ada', target: 'bob', type: 'KNOWS', strength: 70 });
        batch.putQValue({ agentId: 'ada', state: 's', action: 1, value: 0.1, visits: 3 });
        batch.putPolicy({ agentId: 'ada', algorithm: 'sarsa', revision: 1 });
        const results = await batch.write();
        assert.deepEqual(
          results.map(({ status }) => status),
          new Array(5).fill('written'),
        );
        const statuses = await Promise.all(
          ['dictionary', 'redis'].map(async (name) => (await deployment.captured(name)).capture.status()),
        );
        assert.deepEqual(
          statuses.map(({ entries }) => entries),
          [3, 2],
        );
        const rejected = await shim.deleteEmbedding('e');
        assert.equal(rejected.status, 'rejected', 'no store is the origin of embeddings here');
        assert.deepEqual(told.slice(-2), ['policy written', 'embedding rejected']);
      },
      { capture: true },
    );
    assert.equal(await site.redis.exists(`${site.name}:policy:ada`), 1);
    const relayed = await site.cli('relay', '--until-empty');
    assert.equal(relayed.code, 0, relayed.stderr);
    const keys = (await site.log(5)).map(({ kind, key }) => `${kind} ${key}`);
    assert.deepEqual(
      new Set(keys),
      new Set([
        'agent ada',
        'agent bob',
        'relationship ["ada","KNOWS","bob"]',
        'q-value ["ada","s",1]',
        'policy ada',
      ]),
    );
  });
});
