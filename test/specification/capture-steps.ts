import { nextVersion } from '../../schemas/version.ts';
import type { Rules } from './rules.ts';
import { FIRST_CAPTURED, type KeyState, type State } from './state.ts';
import { describeContent, nameOf, type Step, spend, withKey, without } from './step.ts';

/** The origin store: its clock, the application's writes, and capture beside them. */
export function captureSteps(state: State, rules: Rules): readonly Step[] {
  return [
    ...clockSteps(state),
    ...installSteps(state, rules),
    ...state.keys.flatMap((key, at) => [
      ...stampSteps(state, key, at, rules),
      ...commitSteps(state, key, at, rules),
      ...abortSteps(state, key, at),
    ]),
  ];
}

/** It stands still as long as it likes; now and then somebody sets it back. */
function* clockSteps(state: State): Iterable<Step> {
  const { clock, budget } = state;
  if (budget.ticks > 0) {
    yield { what: `the clock goes on to ${clock + 1}`, next: spend({ ...state, clock: clock + 1 }, 'ticks') };
  }
  if (budget.setBacks > 0 && clock > FIRST_CAPTURED) {
    const next = spend({ ...state, clock: FIRST_CAPTURED }, 'setBacks');
    yield { what: `the clock is set back to ${FIRST_CAPTURED}`, next };
  }
}

/** Capture is installed when no write is under way that it would not see. */
function* installSteps(state: State, rules: Rules): Iterable<Step> {
  const quiet = state.keys.every(({ writing }) => writing.length === 0);
  if (state.installed || !(quiet || rules === 'install-does-not-wait')) return;
  yield { what: 'capture is installed', next: { ...state, installed: true } };
}

/** The key is locked, and the write gets its version. Nobody sees it yet. */
function* stampSteps(state: State, key: KeyState, at: number, rules: Rules): Iterable<Step> {
  const { origin, writing, history } = key;
  const locked = writing.length > 0 && rules !== 'no-lock';
  if (!state.installed || state.budget.writes === 0 || locked) return;
  const forgotten = rules === 'recreate-forgets-delete' && origin.content === null;
  const version =
    rules === 'stamp-is-clock' ? state.clock : nextVersion(forgotten ? null : origin.version, state.clock);
  const spent = spend(state, 'writes');
  const number = history.length + writing.length + 1;
  yield {
    what: `a write of ${nameOf(at)} to state ${number} is stamped with version ${version}`,
    next: withKey(spent, at, { writing: [...writing, { version, content: number }] }),
  };
  if (origin.content === null) return;
  yield {
    what: `a delete of ${nameOf(at)} is stamped with version ${version}`,
    next: withKey(spent, at, { writing: [...writing, { version, content: null }] }),
  };
}

/** Entity, version and outbox entry become visible in one atomic step, and the lock is free. */
function* commitSteps(state: State, key: KeyState, at: number, rules: Rules): Iterable<Step> {
  for (const [index, write] of key.writing.entries()) {
    const { version, content } = write;
    const writing = without(key.writing, index);
    if (version === null) {
      const origin = { version: key.origin.version, content };
      yield {
        what: `a write of ${nameOf(at)} that capture has not seen becomes visible: ${describeContent(content)}`,
        next: withKey(state, at, { origin, writing }),
      };
      continue;
    }
    const committed = { origin: { version, content }, writing, history: [...key.history, write] };
    const entry = { version, content, path: 'live' as const };
    const what = `version ${version} of ${nameOf(at)} becomes visible: ${describeContent(content)}`;
    yield { what, next: withKey(state, at, { ...committed, outbox: [...key.outbox, entry] }) };
    if (rules === 'capture-after-write') {
      yield { what: `${what}; the writer dies before the entry`, next: withKey(state, at, committed) };
    }
  }
}

function* abortSteps(state: State, key: KeyState, at: number): Iterable<Step> {
  if (state.budget.aborts === 0) return;
  for (const [index, { version }] of key.writing.entries()) {
    yield {
      what: `the write of ${nameOf(at)} with version ${version ?? 'none'} is rolled back`,
      next: withKey(spend(state, 'aborts'), at, { writing: without(key.writing, index) }),
    };
  }
}
