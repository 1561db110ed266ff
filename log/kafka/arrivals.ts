/** The first offset of each partition of one topic whose record came at that time (ms since 1970) or later; else its end. */
export type OffsetsAt = (timestampMs: number) => Promise<ReadonlyMap<number, number>>;

export interface PartitionPlace {
  readonly partition: number;
  readonly offset: number;
}

/** Ages that are looked at first, for all places at once. */
const FIRST_AGE_MS = 1_000;
const AGE_GROWTH = 8;
/** How exact an age has to be. */
const NEAR_MS = 250;
const NEAR_SHARE = 0.1;
/** Later than any record, also one of a host whose clock is ahead. */
const NEVER_MS = 10 * 365 * 86_400_000;

/**
 * About when the log got the records at some places of one topic. Kafka has no question for that; the question that it has
 * goes the other way round, for all partitions at once. So the age is found by asking for ages that grow eightfold, then by
 * halving (geometrically) between the two that enclose it, and by taking the middle when they are close: reading the record
 * itself would take a consumer. Undefined where there is no record yet.
 */
export async function readArrivals(
  places: readonly PartitionPlace[],
  offsetsAt: OffsetsAt,
  nowMs: number,
): Promise<readonly (number | undefined)[]> {
  const asked = new Map<number, ReturnType<OffsetsAt>>();
  const ask = (ageMs: number): ReturnType<OffsetsAt> => {
    const timestampMs = Math.max(0, Math.round(nowMs - ageMs));
    const answer = asked.get(timestampMs) ?? offsetsAt(timestampMs);
    asked.set(timestampMs, answer);
    return answer;
  };
  /** Whether the record at that place is no older than that. */
  const isWithin = async ({ partition, offset }: PartitionPlace, ageMs: number): Promise<boolean> =>
    ((await ask(ageMs)).get(partition) ?? Number.POSITIVE_INFINITY) <= offset;

  const arrivalOf = async (place: PartitionPlace): Promise<number | undefined> => {
    if (await isWithin(place, -NEVER_MS)) return undefined;
    if (await isWithin(place, 0)) return nowMs;
    let [younger, older] = [0, FIRST_AGE_MS];
    while (!(await isWithin(place, older))) {
      // Before 1970: the place is before the first record that is still there.
      if (older >= nowMs) return 0;
      [younger, older] = [older, Math.min(nowMs, older * AGE_GROWTH)];
    }
    while (older - younger > Math.max(NEAR_MS, younger * NEAR_SHARE)) {
      const middle = younger < FIRST_AGE_MS ? (younger + older) / 2 : Math.sqrt(younger * older);
      if (await isWithin(place, middle)) older = middle;
      else younger = middle;
    }
    return nowMs - (younger + older) / 2;
  };
  return Promise.all(places.map(arrivalOf));
}
