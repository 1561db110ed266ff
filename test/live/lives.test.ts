import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LifeOptions } from './life.ts';
import { Lives } from './lives.ts';
import type { PlannedKill } from './plan.ts';

const PLANNED: PlannedKill = {
  role: 'run',
  point: 'mid-batch',
  store: 'target.milvus',
  passage: 2,
  afterMs: 0,
};

describe('a life that is to end at a passage', () => {
  let options: LifeOptions;
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'changeover-lives-'));
    // There is no configuration, so each process ends by itself, and none comes by any passage.
    options = {
      places: { migration: { folder, configFile: join(folder, 'none.yaml') } },
      writer: () => undefined,
      onKilled: () => {},
      onFailure: () => {},
    };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const life = (isPassing: boolean): Lives =>
    new Lives({ role: 'run', origin: undefined, kills: [] }, { ...options, isPassing: () => isPassing });

  it('says so when none of its processes comes by it in time', async () => {
    const endless = life(true);
    await assert.rejects(
      endless.dieAt(PLANNED, 300),
      /run of all stores has not come by passage 2 of mid-batch \(target\.milvus\) within 0\.3 s/,
    );
    await endless.stop();
  });

  it('says so when it is over before', { timeout: 120_000 }, async () => {
    await assert.rejects(life(false).dieAt(PLANNED), /ends with errors of its own/);
  });

  it('says so when it is stopped before', async () => {
    const endless = life(true);
    const dying = endless.dieAt(PLANNED);
    const refused = assert.rejects(dying, /has not come by passage 2 of mid-batch .* before it was stopped/);
    await endless.stop();
    await refused;
  });
});
