import type { Rules } from './rules.ts';
import { FIRST_CAPTURED, type KeyState, type Reading, type State, type Statement } from './state.ts';
import {
  describeContent,
  describeStatement,
  nameOf,
  type Step,
  spend,
  withKey,
  withKeys,
  withStrays,
} from './step.ts';

/** Reads every key of the origin, version first, and publishes it, beside live writes. */
export function backfillSteps(state: State, rules: Rules): readonly Step[] {
  return [
    ...runSteps(state),
    ...(state.backfillRuns
      ? state.keys.flatMap((key, at) => [
          ...readSteps(state, key, at, rules),
          ...publishSteps(state, key, at, rules),
        ])
      : []),
  ];
}

function* runSteps(state: State): Iterable<Step> {
  const { installed, backfillRuns, generation, budget, keys } = state;
  if (!backfillRuns && installed && budget.backfillRuns > 0) {
    const begun = { ...state, backfillRuns: true, generation: generation + 1 };
    yield {
      what: `backfill ${generation + 1} begins`,
      next: spend(withKeys(begun, forgetUnfinished(true)), 'backfillRuns'),
    };
  }
  if (!backfillRuns && generation > 0 && keys.some(({ reading }) => reading.at !== 'done')) {
    yield { what: `backfill ${generation} goes on`, next: { ...state, backfillRuns: true } };
  }
  if (backfillRuns && budget.backfillCrashes > 0) {
    const ended = withKeys({ ...state, backfillRuns: false }, forgetUnfinished(false));
    yield { what: `backfill ${generation} is killed`, next: spend(ended, 'backfillCrashes') };
  }
}

/** What is not written down is read again. What was sent may be in the log still, at any time. */
function forgetUnfinished(all: boolean) {
  return ({ reading, stray }: KeyState): Partial<KeyState> => ({
    stray: withStrays(stray, reading.at === 'flying' ? [reading.statement] : []),
    reading: reading.at === 'done' && !all ? reading : { at: 'unread' },
  });
}

/** Two steps, and anything can happen between them. */
function* readSteps(state: State, key: KeyState, at: number, rules: Rules): Iterable<Step> {
  const { reading } = key;
  const put = (next: Reading): State => withKey(state, at, { reading: next });
  const content = rules === 'dirty-read' ? (key.writing.at(-1) ?? key.origin).content : key.origin.content;
  const version = rules === 'label-is-clock' ? state.clock : key.origin.version;
  const read = `the backfill reads of ${nameOf(at)}`;
  if (reading.at === 'unread' && rules === 'content-before-version') {
    yield {
      what: `${read} the content: ${describeContent(content)}`,
      next: put({ at: 'half-read', label: null, content }),
    };
  } else if (reading.at === 'unread') {
    yield {
      what: `${read} ${rules === 'label-is-clock' ? 'the clock' : 'the version'}: ${version ?? 'none'}`,
      next: put({ at: 'half-read', label: version, content: 'not yet' }),
    };
  } else if (reading.at === 'half-read' && reading.content === 'not yet') {
    yield {
      what: `${read} the content: ${describeContent(content)}`,
      next: put(statementReading(state, reading.label, content, rules)),
    };
  } else if (reading.at === 'half-read' && reading.content !== 'not yet') {
    yield {
      what: `${read} the version: ${version ?? 'none'}`,
      next: put(statementReading(state, version, reading.content, rules)),
    };
  }
}

/** What has no version gets the generation; of what is not there nothing is said. */
function statementReading(
  { generation }: State,
  label: number | null,
  content: number | null,
  rules: Rules,
): Reading {
  if (content === null) return { at: 'landed' };
  const without = rules === 'generation-above-versions' ? FIRST_CAPTURED + 5 + generation : generation;
  return { at: 'flying', statement: { version: label ?? without, content, path: 'backfill' } };
}

/** Into the log, and after that written down as done. */
function* publishSteps(state: State, key: KeyState, at: number, rules: Rules): Iterable<Step> {
  const { reading } = key;
  if (reading.at === 'flying') {
    const { statement } = reading;
    yield {
      what: `the log takes ${nameOf(at)}, ${describeStatement(statement)}, from the backfill`,
      next: withKey(state, at, { log: [...key.log, statement], reading: { at: 'landed' } }),
    };
    if (rules === 'progress-before-confirmed') yield writtenDown(state, key, at, [statement]);
  }
  if (reading.at === 'landed') yield writtenDown(state, key, at, []);
}

function writtenDown(state: State, key: KeyState, at: number, flying: readonly Statement[]): Step {
  const next = withKey(state, at, { reading: { at: 'done' }, stray: withStrays(key.stray, flying) });
  const more = next.keys.some(({ reading }) => reading.at !== 'done');
  return {
    what: `the backfill writes down that ${nameOf(at)} is done`,
    next: { ...next, backfillRuns: more },
  };
}
