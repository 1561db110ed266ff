import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KILL_POINTS } from '../live/kill-plan.ts';
import { runLive } from '../live/live-run.ts';
import { isSound, reportText } from '../live/report.ts';

/** A slice of `npm run live-kill`: each point of each store once. */
const SEED = 4;

describe('live capture that is killed', () => {
  it('loses, resurrects, invents and disorders nothing, whoever is killed when', async (t) => {
    const report = await runLive({ kills: 1, seed: SEED, ratePerSecond: 30, signal: t.signal });
    const text = reportText(report);
    t.diagnostic(text);
    assert.ok(isSound(report), text);
    for (const point of KILL_POINTS)
      assert.ok(
        report.kills.some((kill) => kill.point === point),
        `nobody was killed at ${point}`,
      );
    const { writes, log } = report.evidence;
    const acknowledged = writes.filter(({ acknowledgedAt }) => acknowledgedAt !== null);
    assert.ok(acknowledged.length > 300, `only ${acknowledged.length} writes were made`);
    assert.ok(log.some(({ path }) => path === 'backfill'));
    assert.ok(report.samples > 100);
  });
});
