import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL_BUGS, BUGS, type Bug } from './bugs.ts';
import { firstFinding } from './simulate.ts';

/** By what each planted bug may be found: a checker that finds it by accident checks something else. */
const FOUND_AS: Readonly<Record<Bug, readonly string[]>> = {
  'commit-before-apply': ['undealt'],
  'commit-delivered-on-close': ['undealt'],
  'guard-or-equal': ['repeated'],
  'guard-missing': ['repeated', 'decreased'],
  'tombstone-forgotten': ['undealt', 'decreased'],
  'row-before-tombstone': ['decreased'],
  'content-before-version': ['lost', 'resurrected'],
  'generation-too-large': ['lost', 'undealt'],
  'backfill-confirmed-early': ['lost'],
  'discarded-before-confirmed': ['lost'],
  'published-backwards': ['disordered'],
  'overtaken-after-failure': ['disordered'],
  'first-of-a-key': ['undealt', 'lost'],
  'old-generation-applied': ['decreased', 'undealt'],
  'work-not-awaited': ['decreased', 'undealt'],
  'tenure-ignored': ['decreased', 'undealt'],
  'memory-not-forgotten': ['decreased', 'undealt'],
  'dead-letter-after-commit': ['undealt'],
  'retry-swallowed': ['undealt'],
  'partial-batch-done': ['undealt'],
  'version-forgotten-by-delete': ['disordered', 'lost', 'resurrected'],
  'event-id-ignored': ['doubled'],
  'rejected-in-silence': ['undealt'],
};

describe('the simulation finds, within 500 seeds,', () => {
  for (const bug of ALL_BUGS) {
    it(`that ${BUGS[bug]}`, async (t) => {
      const outcome = await firstFinding(bug);
      const [first] = outcome?.violations ?? [];
      assert.ok(outcome !== undefined && first !== undefined, `${bug} was not found`);
      t.diagnostic(`${bug}: seed ${outcome.seed}: ${first.name}: ${first.detail}`);
      assert.ok(FOUND_AS[bug].includes(first.name), `${bug} was found as ${first.name}: ${first.detail}`);
    });
  }
});
