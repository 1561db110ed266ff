import { setTimeout as sleep } from 'node:timers/promises';
import type { Kind } from '../../schemas/kinds.ts';
import { below, randomFor } from '../../society/generator/random.ts';
import { type Decrease, placeOf } from './evidence.ts';
import { KEYS_PER_KIND, keyAt } from './key-space.ts';
import type { TargetReader } from './target-reader.ts';

export interface Sampler {
  readonly samples: number;
  /** Of each target, by its name: where there is none, nobody has looked whether its versions go down. */
  readonly samplesOf: ReadonlyMap<string, number>;
  readonly decreases: readonly Decrease[];
  stop(): Promise<void>;
}

const EVERY_MS = 150;
const KEYS_PER_SAMPLE = 12;
/**
 * An entity and its tombstone are two reads where they are two things, and it may pass from one to the other in between.
 * So "nothing known" counts when it is so several times.
 */
const LOOKS = 5;

/**
 * Reads versions of some keys from the targets again and again, and notes each that goes down. A target that cannot be read ends
 * it, unless there is somebody who is told instead.
 */
export function startSampler(
  targets: readonly TargetReader[],
  seed: number,
  onFailure?: (target: string, error: unknown) => void,
): Sampler {
  const stopping = new AbortController();
  const decreases: Decrease[] = [];
  const samplesOf = new Map(targets.map(({ name }) => [name, 0]));

  const run = async (target: TargetReader, index: number): Promise<void> => {
    const random = randomFor(seed, 'pair', index);
    const greatest = new Map<string, number>();
    while (!stopping.signal.aborted) {
      for (const kind of target.kinds) {
        const keys = Array.from({ length: KEYS_PER_SAMPLE }, () => keyAt(kind, below(random, KEYS_PER_KIND)));
        await look(target, kind, [...new Set(keys)], greatest).catch((error: unknown) => {
          if (onFailure === undefined) throw error;
          onFailure(target.name, error);
        });
      }
      await sleep(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };

  const look = async (
    target: TargetReader,
    kind: Kind,
    keys: readonly string[],
    greatest: Map<string, number>,
  ): Promise<void> => {
    const versions = await target.versions(kind, keys);
    for (const [at, key] of keys.entries()) {
      const from = greatest.get(placeOf({ kind, key })) ?? 0;
      let to = versions[at] ?? null;
      for (let again = 1; to === null && from > 0 && again < LOOKS; again++) {
        await sleep(20);
        to = (await target.versions(kind, [key]))[0] ?? null;
      }
      samplesOf.set(target.name, (samplesOf.get(target.name) ?? 0) + 1);
      if ((to ?? 0) < from) decreases.push({ target: target.name, kind, key, from, to });
      else if (to !== null) greatest.set(placeOf({ kind, key }), to);
    }
  };

  const running = Promise.all(targets.map(run));
  // Whoever stops it hears of its failure.
  running.catch(() => {});
  return {
    get samples() {
      return [...samplesOf.values()].reduce((sum, each) => sum + each, 0);
    },
    samplesOf,
    decreases,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Targets of which no version was ever looked at: that none was seen to go down says nothing then. */
export function unsampled(samplesOf: ReadonlyMap<string, number>): readonly string[] {
  return [...samplesOf].flatMap(([target, samples]) =>
    samples > 0 ? [] : [`${target}: not one version was sampled`],
  );
}
