import { hostname, userInfo } from 'node:os';
import type { Store } from '../../connectors/connector.ts';
import {
  isLetterId,
  type Letter,
  type LetterFilter,
  matches,
  readLetters,
} from '../../consumers/dead-letters/letters.ts';
import { recordRefused } from '../../consumers/dead-letters/record-refused.ts';
import type { PipelineProgress } from '../../consumers/progress.ts';
import { type Refuse, stopAtRefusal } from '../../consumers/refused.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Log } from '../../log/log.ts';
import { CONNECTORS } from '../connectors.ts';
import { type Deployment, WRITER } from '../deployment.ts';
import { count, items } from '../output/format.ts';
import { chosenTargets, type Routes, sectionOf } from '../routes.ts';

/** What becomes of the changes that a target store refuses for good, as it is configured. */
export function refusalsOf({ config, codec, logger }: Deployment, log: Log, store: string): Refuse {
  const { mode, ...options } = config.deadLetters;
  if (mode === 'stop') return stopAtRefusal(store);
  const { deadLetters } = log;
  return recordRefused({ ...options, store, deadLetters, codec, logger, clock: systemClock });
}

interface Refusing {
  readonly name: string;
  progress(): Pick<PipelineProgress, 'refused'>;
}

/** Throws `items-rejected` when stores have refused changes since these followers began. */
export function assertNothingRefused(followers: readonly Refusing[]): void {
  const refusing = followers.filter(({ progress }) => progress().refused > 0);
  if (refusing.length === 0) return;
  const texts = refusing.map(({ name, progress }) => `${name} ${count(progress().refused)}`);
  throw new ChangeoverError('items-rejected', `Changes were refused for good: ${texts.join(', ')}`, {
    hint: 'Everything else has been applied. See `changeover dead-letters list`.',
  });
}

export interface LetterChoice {
  readonly ids: readonly string[];
  readonly filter: LetterFilter;
  /** All that are open. */
  readonly all: boolean;
}

/** Throws `usage` unless letters are named in one way. */
export function requireChoice({ ids, filter, all }: LetterChoice): void {
  const filters = Object.values(filter).some((value) => value !== undefined);
  if (ids.length > 0 && (filters || all)) {
    throw new ChangeoverError('usage', 'Name dead letters by their ids or by filters, not by both');
  }
  if (ids.length > 0 || filters || all) return;
  throw new ChangeoverError('usage', 'Which dead letters?', {
    hint: 'Name their ids, filter them (--store, --kind, --class, --since), or take --all that are open.',
  });
}

/** The letters that were asked for: by their ids, whatever their state, or the open ones that a filter lets through. */
export async function chosenLetters(
  log: Log,
  routes: Routes,
  choice: LetterChoice,
): Promise<readonly Letter[]> {
  const letters = await readLetters(log.deadLetters);
  if (choice.ids.length > 0) return lettersOf(letters, choice.ids);
  requireStore(routes, letters, choice.filter);
  return letters.filter((letter) => matches(letter, choice.filter));
}

/**
 * Throws `usage` for a store that is not configured and has no letters, open or not: the name is written wrong. One that was
 * configured once may have some.
 */
export function requireStore(routes: Routes, letters: readonly Letter[], { store }: LetterFilter): void {
  if (store === undefined) return;
  const name = sectionOf(store);
  if (letters.some(({ sink }) => sectionOf(sink) === name)) return;
  chosenTargets(routes, [name]);
}

/** Throws `usage` for letters of a store that is configured no more: there is nobody to offer them to. */
export function requireConfigured(routes: Routes, letters: readonly Letter[]): void {
  const gone = Map.groupBy(
    letters.filter(({ sink }) => !routes.followers.has(sectionOf(sink))),
    ({ sink }) => sink,
  );
  if (gone.size === 0) return;
  const texts = Array.from(gone, ([sink, ofSink]) => `${sink} (${lettersText(ofSink)})`);
  throw new ChangeoverError(
    'usage',
    `Nothing can be offered to a store that is not configured: ${texts.join(', ')}`,
    {
      hint: 'Configure it again, or `changeover dead-letters drop` them; --store chooses those of another store.',
    },
  );
}

export function isOpen({ state }: Letter): boolean {
  return state === 'open';
}

export function lettersOf(letters: readonly Letter[], ids: readonly string[]): readonly Letter[] {
  const byId = new Map(letters.map((letter) => [letter.id, letter]));
  return [...new Set(ids)].map((text) => {
    const id = sectionOf(text);
    const letter = byId.get(id);
    if (letter !== undefined) return letter;
    throw new ChangeoverError('usage', `There is no dead letter ${text}`, {
      hint: isLetterId(id)
        ? 'See `changeover dead-letters list --all`.'
        : 'An id is store/kind/partition/offset, such as postgres/agent/3/1042: see `changeover dead-letters list --all`.',
    });
  });
}

export interface Target {
  readonly store: Store;
  /** Throws `conflict` where writing now could bring the store behind what it holds. */
  readonly requireAlone: () => Promise<void>;
}

/** The target store of letters. */
export async function targetOf(deployment: Deployment, log: Log, sink: string): Promise<Target> {
  const name = sectionOf(sink);
  const store = await deployment.store('target', name);
  const oneWriter = CONNECTORS.find((connector) => connector.name === name)?.oneWriter ?? false;
  return {
    store,
    requireAlone: async () => {
      if (!oneWriter || (await log.members(store.name)) === 0) return;
      throw new ChangeoverError('conflict', `Somebody is applying the log to ${store.name} at the moment`, {
        hint: `${store.name} takes one writer at a time: stop \`changeover run\` for it, repeat this command, and start it again.`,
      });
    },
  };
}

/** Who is at the terminal, for those who look at it later. */
export function operator(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A container's user need not have a name.
    return WRITER;
  }
}

export function lettersText(letters: readonly Letter[]): string {
  return items(letters.length, 'dead letter');
}
