import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOrderOf, named } from '../faults/catalogue.ts';
import { faultText, isSound } from '../faults/fault-report.ts';
import { runFaults } from '../faults/fault-run.ts';

/** A slice of `npm run faults`: one of each sort that needs no server of its own. */
const SEED = 5;
const SLICE = [
  'kill -9 run between apply and commit: postgres',
  'half-open to kafka',
  'answers of milvus are lost',
  'resets to postgres',
  'late updates after deletes',
  'poison: bytes that are no change / an unknown fingerprint / no value',
  'offsets set back to the beginning',
];

describe('a system with faults', () => {
  it('loses, resurrects and invents nothing, and gets over each of them', { timeout: 540_000 }, async (t) => {
    const faults = inOrderOf(SEED, named(SLICE));
    const report = await runFaults({
      faults,
      seed: SEED,
      ratePerSecond: 20,
      signal: t.signal,
      onProgress: (text) => t.diagnostic(text),
    });
    const text = faultText(report);
    t.diagnostic(text);
    assert.ok(isSound(report), text);
    assert.equal(report.struck.length, SLICE.length);
    const { writes } = report.evidence;
    const acknowledged = writes.filter(({ acknowledgedAt }) => acknowledgedAt !== null);
    assert.ok(acknowledged.length > 500, `only ${acknowledged.length} writes were made`);
    assert.ok(report.samples > 100);
  });
});
