import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KnownReport } from '../../producers/backfill/orders.ts';
import { Peers } from '../../producers/backfill/peers.ts';

const NOW_US = 1_800_000_000_000_000;

function report(process: string, atUs: number): KnownReport {
  return {
    process,
    atUs,
    generation: 1,
    state: 'running',
    published: 0,
    perSecond: 0,
    limitPerSecond: null,
    ranges: 1,
    remarks: [],
  };
}

/** What a process knows that has looked at these reports, so many seconds after it began. */
function looking(...looks: readonly (readonly [seconds: number, reports: readonly KnownReport[]])[]): number {
  const peers = new Peers('we');
  for (const [seconds, reports] of looks) peers.look(reports, seconds * 1_000, NOW_US + seconds * 1e6);
  return peers.sharers;
}

describe('among how many processes a rate is divided', () => {
  it('does not count one that was killed before we came', () => {
    assert.equal(looking([0, [report('killed', NOW_US - 20e6)]]), 1);
  });

  it('counts one that has reported a moment before we came, until it has been silent for too long', () => {
    const reports = [report('other', NOW_US - 5e6)];
    assert.equal(looking([0, reports], [9, reports]), 2);
    assert.equal(looking([0, reports], [11, reports]), 1);
  });

  it('counts one whose clock is far behind from its next report on', () => {
    const [first, next] = [report('behind', NOW_US - 3_600e6), report('behind', NOW_US - 3_595e6)];
    assert.equal(looking([0, [first]], [5, [next]]), 2);
  });

  it('counts one whose clock is ahead, and misses it when it is silent', () => {
    const reports = [report('ahead', NOW_US + 3_600e6)];
    assert.equal(looking([0, reports]), 2);
    assert.equal(looking([0, reports], [16, reports]), 1);
  });

  it('counts no process that has nothing to do, and itself once', () => {
    const idle = { ...report('idle', NOW_US), ranges: 0 };
    assert.equal(looking([0, [idle, report('we', NOW_US)]]), 1);
  });
});
