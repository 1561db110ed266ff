import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type OffsetsAt, readArrivals } from '../../log/kafka/arrivals.ts';

const NOW_MS = 1_900_000_000_000;

/** Partitions whose records came so many ms ago, the oldest first; counts the questions. */
function partitions(...agesMs: readonly (readonly number[])[]) {
  let questions = 0;
  const offsetsAt: OffsetsAt = async (timestampMs) => {
    questions += 1;
    return new Map(
      agesMs.map((ages, partition) => {
        const at = ages.findIndex((ageMs) => NOW_MS - ageMs >= timestampMs);
        return [partition, at === -1 ? ages.length : at];
      }),
    );
  };
  return { offsetsAt, questions: () => questions };
}

describe('the time at which a record came', () => {
  for (const ageMs of [0, 80, 900, 5_000, 61_000, 3_600_000, 86_400_000 * 30, 86_400_000 * 3_000]) {
    it(`is found for an age of ${ageMs} ms, to a quarter of a second or a tenth`, async () => {
      const { offsetsAt, questions } = partitions([ageMs + 10 ** 6, ageMs, 0]);
      const [atMs = 0] = await readArrivals([{ partition: 0, offset: 1 }], offsetsAt, NOW_MS);
      const offByMs = Math.abs(NOW_MS - atMs - ageMs);
      assert.ok(offByMs <= Math.max(250, ageMs / 10), `off by ${offByMs} ms`);
      assert.ok(questions() <= 25, `${questions()} questions`);
    });
  }

  it('is found for many partitions that are alike with hardly more questions than for one', async () => {
    const ages = Array.from({ length: 50 }, (_, index) => [90_000 + index]);
    const places = ages.map((_, partition) => ({ partition, offset: 0 }));
    const { offsetsAt, questions } = partitions(...ages);
    const found = await readArrivals(places, offsetsAt, NOW_MS);
    assert.ok(found.every((atMs) => Math.abs(NOW_MS - (atMs ?? 0) - 90_000) < 9_100));
    assert.ok(questions() <= 15, `${questions()} questions`);
  });

  it('is none for a place where there is no record, and now for one of a host whose clock is ahead', async () => {
    const { offsetsAt } = partitions([5_000], [-60_000]);
    const places = [
      { partition: 0, offset: 1 },
      { partition: 1, offset: 0 },
    ];
    assert.deepEqual(await readArrivals(places, offsetsAt, NOW_MS), [undefined, NOW_MS]);
  });
});
