import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  forbidding,
  MARGIN_MS,
  publishing,
  type ReplayBound,
  requireNoReplay,
  shortestRetentionMs,
} from '../../cli/work/oldest-replay.ts';
import { ChangeoverError } from '../../core/errors.ts';

const NOW_US = 1_800_000_000_000_000;
const DAY_MS = 86_400_000;
const MARGIN_US = MARGIN_MS * 1_000;

const bound = (sinceUs: number | null, part: ReplayBound['part'] = 'replay'): ReplayBound => ({
  part,
  what: `something of ${part}`,
  sinceUs,
  remedy: `See to ${part}.`,
});
const daysAgo = (days: number): number => NOW_US - days * DAY_MS * 1_000;

describe('the oldest possible replay', () => {
  it('forbids a cut that is not older than it by the margin of the clocks', () => {
    const cut = daysAgo(30);
    const since = [cut + MARGIN_US, cut + MARGIN_US - 1, cut, daysAgo(31)];
    assert.deepEqual(
      forbidding(
        since.map((us) => bound(us)),
        cut,
      ).map(({ sinceUs }) => sinceUs),
      [daysAgo(31), cut, cut + MARGIN_US - 1],
    );
  });

  it('forbids every cut where nobody can say how old it is', () => {
    assert.equal(forbidding([bound(null)], 1).length, 1);
    assert.equal(shortestRetentionMs([bound(null), bound(daysAgo(1))], NOW_US), null);
  });

  it('reaches back as far as a publication may wait and be tried, where that is longer than the margin', () => {
    assert.deepEqual(publishing(NOW_US, MARGIN_MS / 2), []);
    const long = publishing(NOW_US, 30 * 60_000);
    assert.equal(shortestRetentionMs(long, NOW_US), 60 * 60_000);
    assert.equal(forbidding(long, NOW_US - 59 * 60_000_000).length, 1);
    assert.equal(forbidding(long, NOW_US - 60 * 60_000_000).length, 0);
  });

  it('allows everything where nothing can come any more', () => {
    assert.deepEqual(forbidding([], NOW_US), []);
    requireNoReplay([], { store: 'target.postgres', nowUs: NOW_US, retentionMs: 1 });
  });

  it('tells of every part that forbids, of the oldest first, and how long a retention would do', () => {
    const bounds = [bound(daysAgo(2), 'outbox'), bound(daysAgo(40), 'replay'), bound(daysAgo(10), 'lag')];
    const asked = { store: 'target.postgres', nowUs: NOW_US, retentionMs: 5 * DAY_MS };
    assert.throws(
      () => requireNoReplay(bounds, asked),
      (error: unknown) => {
        assert.ok(error instanceof ChangeoverError);
        assert.equal(error.code, 'conflict');
        assert.match(error.message, /^target\.postgres: .*something of replay .*; something of lag \(since /);
        assert.doesNotMatch(error.message, /outbox/);
        assert.match(error.hint ?? '', /--retention 962h\. See to replay\. See to lag\. Nothing was removed/);
        return true;
      },
    );
    const enough = shortestRetentionMs(bounds, NOW_US) ?? 0;
    requireNoReplay(bounds, { ...asked, retentionMs: enough });
    assert.throws(() => requireNoReplay(bounds, { ...asked, retentionMs: enough - 1 }));
  });
});
