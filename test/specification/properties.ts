import type { Content, KeyState, State, Statement } from './state.ts';

/** What must hold in every state that can be reached. Each answers what is wrong, or nothing. */
export const PROPERTIES = {
  'versions increase per key': (state) => everyKey(state, versionsIncrease),
  'the log says what was committed': (state) => everyKey(state, logIsTrue),
  'no label is newer than its content': (state) => everyKey(state, labelsAreOld),
  'no entry leaves the outbox before it is in the log': (state) => everyKey(state, entriesAreKept),
  'nothing deleted comes back': (state) => everyKey(state, staysDeleted),
  'a follower changes with a greater version only': (state, before) =>
    before === undefined ? undefined : everyKey(state, (key, at) => movesForward(key, before.keys[at])),
  'when all is done the follower equals the origin': (state) =>
    isDrained(state) ? everyKey(state, isEqual) : undefined,
  'when all is done the versions are equal too': (state) =>
    isDrained(state) ? everyKey(state, isOfOneVersion) : undefined,
  'nothing gets stuck': (state, _before, isLast) =>
    isLast && !isDrained(state) ? 'nothing more can happen, and not all is done' : undefined,
} as const satisfies Readonly<Record<string, Property>>;

export type Property = (state: State, before: State | undefined, isLast: boolean) => string | undefined;
export type PropertyName = keyof typeof PROPERTIES;
export const PROPERTY_NAMES = Object.keys(PROPERTIES) as readonly PropertyName[];

/** The one that is about a step, and not about a state. */
export const OF_STEPS: PropertyName = 'a follower changes with a greater version only';

/**
 * Capture is installed, no write is under way, the outbox is empty, a backfill has done its work, and the consumer has
 * seen all of the log. What producers that are gone have sent may be on its way still, for ever.
 */
export function isDrained({ installed, generation, keys }: State): boolean {
  return (
    installed &&
    generation > 0 &&
    keys.every(
      ({ writing, outbox, reading, follower, log }) =>
        writing.length === 0 && outbox.length === 0 && reading.at === 'done' && follower.next === log.length,
    )
  );
}

function everyKey(
  { keys }: State,
  fault: (key: KeyState, at: number) => string | undefined,
): string | undefined {
  for (const [at, key] of keys.entries()) {
    const found = fault(key, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function versionsIncrease({ history }: KeyState): string | undefined {
  for (const [index, { version }] of history.entries()) {
    const previous = history[index - 1]?.version ?? 0;
    if ((version ?? 0) <= previous) return `version ${version} was committed after version ${previous}`;
  }
  return undefined;
}

/** What the log says of version v is what was committed as v; and a backfill says nothing that was never committed. */
function logIsTrue({ log, history, legacy }: KeyState): string | undefined {
  for (const { version, content, path } of log) {
    const isTrue =
      path === 'live'
        ? history.some((write) => write.version === version && write.content === content)
        : (content !== null && content <= 0 && legacy) || history.some((write) => write.content === content);
    if (!isTrue) return `nothing like version ${version}, state ${content}, was committed (path ${path})`;
  }
  return undefined;
}

/**
 * A label says: every write up to this version is in this content. It is not said by comparing clocks: the writes are
 * those that were committed, by now, whenever that was.
 */
function labelsAreOld({ log, history }: KeyState): string | undefined {
  for (const record of log) {
    const place = placeOf(record, history);
    const missing = history.findLastIndex(({ version }) => version !== null && version <= record.version);
    if (missing > place) {
      const { version } = history[missing] ?? { version: null };
      return `a record is labelled ${record.version}, and version ${version} is not in its content`;
    }
  }
  return undefined;
}

/** The place of a content in the order of the commits; -1 for what was before capture. */
function placeOf({ version, content }: Statement, history: KeyState['history']): number {
  if (content === null) return history.findIndex((write) => write.version === version);
  return history.findIndex((write) => write.content === content);
}

function entriesAreKept({ history, outbox, log }: KeyState): string | undefined {
  const isIn = (list: readonly Statement[], version: number | null, content: Content): boolean =>
    list.some((each) => each.path === 'live' && each.version === version && each.content === content);
  const lost = history.find(
    ({ version, content }) => !isIn(outbox, version, content) && !isIn(log, version, content),
  );
  return lost && `version ${lost.version} is neither in the outbox nor in the log`;
}

function staysDeleted({ follower: { version, content, buried } }: KeyState): string | undefined {
  if (content === null || buried === 0 || (version ?? 0) > buried) return undefined;
  return `the follower has applied the delete of version ${buried}, and holds state ${content} as of version ${version}`;
}

function movesForward({ follower }: KeyState, before: KeyState | undefined): string | undefined {
  const held = before?.follower ?? follower;
  const same = held.version === follower.version && held.content === follower.content;
  if (same || (follower.version ?? 0) > (held.version ?? 0)) return undefined;
  return `the follower went from version ${held.version}, state ${held.content}, to version ${follower.version}, state ${follower.content}`;
}

function isEqual({ origin, follower }: KeyState): string | undefined {
  if (origin.content === follower.content) return undefined;
  return `the origin has state ${origin.content} as of version ${origin.version}, the follower state ${follower.content} as of version ${follower.version}`;
}

/** What capture has not touched has no version at the origin. */
function isOfOneVersion({ origin, follower }: KeyState): string | undefined {
  if (origin.version === null || origin.version === follower.version) return undefined;
  return `the origin has version ${origin.version}, the follower version ${follower.version}`;
}
