import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backfillStatusText } from '../../cli/output/backfill-status.ts';
import { backfillStanding } from '../../cli/work/backfill-orders.ts';
import { systemClock } from '../../core/clock.ts';
import type { Log } from '../../log/log.ts';
import { writeRun } from '../../producers/backfill/facts.ts';
import { type BackfillReport, writeReport } from '../../producers/backfill/orders.ts';
import { crewOf } from '../../producers/backfill/start-run.ts';
import { openTestLog } from '../support/memory-log.ts';

const RUN = { generation: 3, attempt: 2 };
const REPORT: BackfillReport = {
  state: 'running',
  generation: 3,
  ranges: 2,
  published: 500,
  perSecond: 100,
  limitPerSecond: null,
  remarks: [],
};

/** A run that is not done, of which one process has just reported. */
async function logOfRun(status: 'running' | 'done' = 'running'): Promise<Log> {
  const log = await openTestLog();
  await writeRun(log.control, {
    ...RUN,
    status,
    startedAtUs: systemClock.nowUs(),
    kinds: ['agent'],
    ranges: {},
    stores: { agent: 'legacy.memory' },
  });
  await writeReport(log.control, 'host:7', REPORT);
  return log;
}

/** As it is shown after a while. */
function after(log: Log, seconds: number) {
  const nowUs = systemClock.nowUs() + seconds * 1_000_000;
  return backfillStanding(log, { nowUs: () => nowUs });
}

const statesOf = ({ run, processes }: Awaited<ReturnType<typeof after>>) => [
  run?.status,
  ...processes.map(({ state }) => state),
];

describe('changeover backfill status', () => {
  it('shows what a process says of itself while it says something', async () => {
    const log = await logOfRun();
    assert.deepEqual(statesOf(await after(log, 0)), ['running', 'running']);
    // A process reports every 5 s; and one that has begun has not joined at once.
    assert.deepEqual(statesOf(await after(log, 6)), ['running', 'running']);
  });

  it('shows one that was killed as one that has stopped reporting, and its run as interrupted', async () => {
    const log = await logOfRun();
    const standing = await after(log, 20);
    assert.deepEqual(statesOf(standing), ['interrupted', 'stopped-reporting']);
    const text = backfillStatusText(standing);
    assert.match(text, /Backfill 3: interrupted/);
    assert.match(text, /Nobody is at it: `changeover backfill` goes on/);
    assert.match(text, /host:7 +stopped reporting .* 20\.\d s ago/);
    assert.doesNotMatch(text, /running/);
    assert.deepEqual(statesOf(await after(log, 90)), ['interrupted']);
  });

  it('does not take a run for interrupted that others are at, nor one that is done', async () => {
    const log = await logOfRun();
    const member = await log.work.join(crewOf(RUN));
    assert.deepEqual(statesOf(await after(log, 20)), ['running', 'stopped-reporting']);
    await member.close();
    assert.deepEqual(statesOf(await after(log, 20)), ['interrupted', 'stopped-reporting']);
    assert.deepEqual(statesOf(await after(await logOfRun('done'), 20)), ['done', 'stopped-reporting']);
  });

  it('does not take a report for news because the clock of its host is ahead', async () => {
    const log = await logOfRun();
    assert.equal((await after(log, -3_600)).run?.status, 'interrupted');
  });
});
