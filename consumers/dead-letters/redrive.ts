import { APPLIED, type Outcome, rejected, STALE, type Store } from '../../connectors/connector.ts';
import type { Clock } from '../../core/clock.ts';
import { retry } from '../../core/retry.ts';
import { chunked } from '../../core/sequence.ts';
import type { Change } from '../../schemas/change.ts';
import { changeFault } from '../../schemas/change-fault.ts';
import type { Codec } from '../../schemas/codec.ts';
import { differences } from '../../schemas/differences.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Held, isNewer } from '../../schemas/version.ts';
import { changeOf, findAgain, type Searching } from './find-again.ts';
import type { Letter } from './letters.ts';
import type { Mask } from './mask.ts';
import { type Resolver, resolve } from './resolve.ts';

export interface RedriveOptions extends Searching {
  readonly store: Pick<Store, 'name' | 'sink' | 'source'>;
  readonly codec: Codec;
  /** Of what is told; what is offered is whole. */
  readonly mask: Mask;
  readonly signal: AbortSignal;
}

/** What became of a letter: its change is in the store (or something newer is), the store refuses it still, or it is lost. */
export interface Redriven {
  readonly letter: Letter;
  readonly outcome: 'applied' | 'stale' | 'refused' | 'gone';
  /** Why it is refused or gone. */
  readonly reason: string;
}

/** What a redrive would do to the store. */
export interface RedrivePreview extends Redriven {
  /** The versions of what the store holds (null for never heard of) and of what it would be offered. */
  readonly held: number | null;
  readonly offered: number | null;
  /** What would be different afterwards, in words: `created`, `deleted`, or the names of fields. */
  readonly changes: readonly string[];
}

/** Letters that are looked up and offered together: their records are held in memory. */
const LETTERS_AT_ONCE = 200;

interface Candidate {
  readonly letter: Letter;
  readonly change: Change;
}

/**
 * Offers the changes of these letters to their store again, through its sink and guard like any other change: so any order is
 * safe, and beside newer changes, too. What the store has taken, or has something newer than, is resolved; the rest stays
 * open. Repeating it after a crash is harmless.
 */
export async function* redrive(
  letters: readonly Letter[],
  options: RedriveOptions & Resolver & { readonly clock: Clock; readonly beforeOffer?: () => Promise<void> },
): AsyncGenerator<readonly Redriven[]> {
  const { store, mask, clock, signal, beforeOffer } = options;
  for (const chunk of chunked(letters, LETTERS_AT_ONCE)) {
    signal.throwIfAborted();
    const { candidates, lost } = await candidatesOf(chunk, options);
    await beforeOffer?.();
    const outcomes = await retry(() => offer(candidates, store), { clock, signal });
    const done = candidates.map((each, index) => redriven(each, outcomes[index] ?? STALE, mask));
    const taken = done.filter(({ outcome }) => outcome !== 'refused');
    for (const outcome of ['applied', 'stale'] as const) {
      const ofOutcome = taken.filter((each) => each.outcome === outcome).map(({ letter }) => letter);
      await resolve(ofOutcome, { state: 'redriven', note: outcome }, options);
    }
    yield inOrderOf(chunk, [...lost, ...done]);
  }
}

/** What `redrive` would do, without doing it. Whether the store refuses a sound change again is not known until it is offered. */
export async function* previewRedrive(
  letters: readonly Letter[],
  options: RedriveOptions,
): AsyncGenerator<readonly RedrivePreview[]> {
  const { store, signal } = options;
  for (const chunk of chunked(letters, LETTERS_AT_ONCE)) {
    signal.throwIfAborted();
    const { candidates, lost } = await candidatesOf(chunk, options);
    const previews: RedrivePreview[] = lost.map((each) => ({
      ...each,
      held: null,
      offered: null,
      changes: [],
    }));
    for (const [kind, ofKind] of Map.groupBy(candidates, ({ change }) => change.kind)) {
      const held = await store.source.get<Kind>(
        kind,
        ofKind.map(({ change }) => change.key),
      );
      for (const [index, candidate] of ofKind.entries())
        previews.push(preview(candidate, held[index], options));
    }
    yield inOrderOf(chunk, previews);
  }
}

async function candidatesOf(
  letters: readonly Letter[],
  { log, codec, store }: RedriveOptions,
): Promise<{ readonly candidates: readonly Candidate[]; readonly lost: readonly Redriven[] }> {
  const candidates: Candidate[] = [];
  const lost: Redriven[] = [];
  for (const found of await findAgain(letters, { log })) {
    const { letter } = found;
    const read = changeOf(found, codec);
    if ('unreadable' in read) {
      lost.push({ letter, outcome: read.gone ? 'gone' : 'refused', reason: read.unreadable });
      continue;
    }
    // A sink refuses it by itself; here it has not been asked yet.
    const fault = store.sink.kinds.includes(letter.kind)
      ? changeFault(read.change)
      : `${store.name} does not follow ${letter.kind} any more`;
    if (fault === undefined) candidates.push({ letter, change: read.change });
    else lost.push({ letter, outcome: 'refused', reason: fault });
  }
  return { candidates, lost };
}

/** A store's own echo is there already, as in the pipeline. */
async function offer(
  candidates: readonly Candidate[],
  { name, sink }: RedriveOptions['store'],
): Promise<readonly Outcome[]> {
  const others = candidates.filter(({ change }) => change.origin.store !== name);
  const outcomes = new Map<Candidate, Outcome>();
  if (others.length > 0) {
    const answers = await sink.apply(others.map(({ change }) => change));
    for (const [index, candidate] of others.entries()) {
      outcomes.set(candidate, answers[index] ?? rejected('the store gave no answer'));
    }
  }
  return candidates.map((candidate) => outcomes.get(candidate) ?? STALE);
}

function redriven({ letter, change }: Candidate, outcome: Outcome, mask: Mask): Redriven {
  switch (outcome.status) {
    case 'applied':
    case 'stale':
      return { letter, outcome: outcome.status, reason: '' };
    case 'rejected':
      return { letter, outcome: 'refused', reason: mask.text(outcome.reason, change) };
    default:
      return outcome satisfies never;
  }
}

function preview(
  candidate: Candidate,
  held: Held<Kind> | undefined,
  { store, mask }: Pick<RedriveOptions, 'store' | 'mask'>,
): RedrivePreview {
  const { change } = candidate;
  const isStale = change.origin.store === store.name || !isNewer(change.version, held?.version);
  return {
    ...redriven(candidate, isStale ? STALE : APPLIED, mask),
    held: held?.version ?? null,
    offered: change.version,
    changes: isStale ? [] : changesBetween(held?.entity ?? null, change),
  };
}

function changesBetween(held: Held<Kind>['entity'], { after }: Change): readonly string[] {
  if (after === null) return held === null ? [] : ['deleted'];
  return held === null ? ['created'] : differences<Kind>(held, after);
}

function inOrderOf<R extends Redriven>(letters: readonly Letter[], results: readonly R[]): readonly R[] {
  const byId = new Map(results.map((result) => [result.letter.id, result]));
  return letters.flatMap(({ id }) => byId.get(id) ?? []);
}
