import type { Rules } from './rules.ts';
import type { Flying, KeyState, State, Statement } from './state.ts';
import {
  describeStatement,
  nameOf,
  replaced,
  type Step,
  spend,
  statementOf,
  withKey,
  withKeys,
  without,
  withStrays,
} from './step.ts';

/** From the outbox into the log: several relays, of which the store gives one the claim. */
export function relaySteps(state: State, rules: Rules): readonly Step[] {
  return [
    ...state.believes.flatMap((_, relay) => [
      ...claimSteps(state, relay),
      ...endSteps(state, relay),
      ...state.keys.flatMap((key, at) => [
        ...sendSteps(state, key, at, relay, rules),
        ...landSteps(state, key, at, relay),
        ...discardSteps(state, key, at, relay, rules),
      ]),
    ]),
    ...state.keys.flatMap((key, at) => [...straySteps(state, key, at)]),
  ];
}

/** A claim ends when it is not renewed: its relay is dead, or was held up and does not know it yet. */
function* claimSteps(state: State, relay: number): Iterable<Step> {
  const { claim, believes, budget, installed } = state;
  const alive = believes[relay] === true;
  if (installed && claim === null && !alive) {
    const next = { ...state, claim: relay, believes: replaced(believes, relay, true) };
    yield { what: `relay ${relay} claims the outbox`, next };
  }
  if (claim !== relay) return;
  const free = { ...state, claim: null };
  if (!alive) yield { what: `the claim of relay ${relay} ends`, next: free };
  else if (budget.relayPauses > 0) {
    yield { what: `relay ${relay} is held up, and its claim ends`, next: spend(free, 'relayPauses') };
  }
}

/** What it had sent may be in the log still, at any time. A call that fails is a crash after which it claims again. */
function* endSteps(state: State, relay: number): Iterable<Step> {
  if (state.believes[relay] !== true) return;
  const ended = withKeys({ ...state, believes: replaced(state.believes, relay, false) }, (key) => ({
    relays: replaced(key.relays, relay, []),
    stray: withStrays(
      key.stray,
      flyingOf(key, relay).filter(({ landed }) => !landed),
    ),
  }));
  if (state.claim !== relay) yield { what: `relay ${relay} sees that its claim is lost`, next: ended };
  if (state.budget.relayCrashes > 0) {
    yield { what: `relay ${relay} is killed`, next: spend(ended, 'relayCrashes') };
  }
}

/** Reads the oldest entry that it has not read, and sends it, without waiting for those before. */
function* sendSteps(state: State, key: KeyState, at: number, relay: number, rules: Rules): Iterable<Step> {
  if (state.believes[relay] !== true) return;
  const flying = flyingOf(key, relay);
  const last = flying.at(-1);
  const entry = key.outbox[last === undefined ? 0 : key.outbox.findIndex((each) => isSame(each, last)) + 1];
  if (entry === undefined) return;
  const content = rules === 'entry-is-pointer' ? key.origin.content : entry.content;
  const sent = { version: entry.version, content, path: entry.path, landed: false };
  yield {
    what: `relay ${relay} sends ${nameOf(at)}, ${describeStatement(sent)}`,
    next: withKey(state, at, { relays: replaced(key.relays, relay, [...flying, sent]) }),
  };
}

/** The publisher keeps the order of a key. */
function* landSteps(state: State, key: KeyState, at: number, relay: number): Iterable<Step> {
  const flying = flyingOf(key, relay);
  const first = flying.findIndex(({ landed }) => !landed);
  const statement = flying[first];
  if (statement === undefined) return;
  yield {
    what: `the log takes ${nameOf(at)}, ${describeStatement(statement)}, from relay ${relay}`,
    next: withKey(state, at, {
      relays: replaced(key.relays, relay, replaced(flying, first, { ...statement, landed: true })),
      log: [...key.log, statementOf(statement)],
    }),
  };
}

/** After the log has confirmed it, oldest first; the store refuses it from a relay without the claim. */
function* discardSteps(state: State, key: KeyState, at: number, relay: number, rules: Rules): Iterable<Step> {
  const [oldest, ...others] = flyingOf(key, relay);
  if (oldest === undefined || state.claim !== relay) return;
  if (!oldest.landed && rules !== 'discard-before-confirmed') return;
  // Sent and out of the outbox, but not in the log: nobody keeps it any more.
  const stray = oldest.landed ? key.stray : withStrays(key.stray, [oldest]);
  yield {
    what: `relay ${relay} takes version ${oldest.version} of ${nameOf(at)} out of the outbox`,
    next: withKey(state, at, {
      outbox: key.outbox.filter((entry) => !isSame(entry, oldest)),
      relays: replaced(key.relays, relay, others),
      stray,
    }),
  };
}

/** Of a relay or a backfill that is gone. It need not arrive, and what does may be in any order. */
function* straySteps(state: State, key: KeyState, at: number): Iterable<Step> {
  for (const [index, statement] of key.stray.entries()) {
    yield {
      what: `the log takes ${nameOf(at)}, ${describeStatement(statement)}, from a producer that is gone`,
      next: withKey(state, at, {
        stray: without(key.stray, index),
        log: [...key.log, statement],
      }),
    };
  }
}

function flyingOf(key: KeyState, relay: number): readonly Flying[] {
  return key.relays[relay] ?? [];
}

function isSame(left: Statement, right: Statement): boolean {
  return left.version === right.version;
}
