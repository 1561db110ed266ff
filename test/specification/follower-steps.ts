import { isNewer } from '../../schemas/version.ts';
import type { Rules } from './rules.ts';
import type { Follower, KeyState, State, Statement } from './state.ts';
import { describeStatement, nameOf, type Step, withKey } from './step.ts';

/** One follower, fed from the log: all others do the same, independently. */
export function followerSteps(state: State, rules: Rules): readonly Step[] {
  return state.keys.flatMap((key, at) => [
    ...applySteps(state, key, at, rules),
    ...offsetSteps(state, key, at, rules),
    ...redeliverySteps(state, key, at, rules),
    ...(rules === 'guard-in-two-steps' ? secondConsumerSteps(state, key, at) : []),
  ]);
}

/** The guard, and the write after it, in one step under one lock. */
export function guarded(follower: Follower, statement: Statement, rules: Rules): Follower {
  const { version } = statement;
  const equal = rules === 'guard-takes-equal' && version === follower.version;
  return isNewer(version, follower.version) || equal ? written(follower, statement, rules) : follower;
}

function written(follower: Follower, { version, content }: Statement, rules: Rules): Follower {
  const forgotten = content === null && rules === 'tombstone-forgotten';
  const buried = content === null ? Math.max(follower.buried, version) : follower.buried;
  return { ...follower, version: forgotten ? null : version, content, buried };
}

function* applySteps(state: State, { log, follower }: KeyState, at: number, rules: Rules): Iterable<Step> {
  const record = log[follower.next];
  if (record === undefined) return;
  if (rules === 'offset-before-apply' && follower.committed <= follower.next) return;
  const after = guarded(follower, record, rules);
  const verb = after === follower ? 'passes over' : 'applies';
  yield {
    what: `the follower ${verb} ${nameOf(at)}, ${describeStatement(record)}`,
    next: withKey(state, at, { follower: { ...after, next: follower.next + 1 } }),
  };
}

function* offsetSteps(state: State, key: KeyState, at: number, rules: Rules): Iterable<Step> {
  const { follower, log } = key;
  const { next, committed } = follower;
  const move = (change: Partial<Follower>): State =>
    withKey(state, at, { follower: { ...follower, ...change } });
  const upTo = rules === 'offset-before-apply' ? Math.min(next + 1, log.length) : next;
  if (committed < upTo) {
    yield {
      what: `the consumer commits the offset ${upTo} of ${nameOf(at)}`,
      next: move({ committed: upTo }),
    };
  }
  if (committed !== next) {
    const what = `the consumer of ${nameOf(at)} is killed, and goes on at the committed offset ${committed}`;
    yield { what, next: move({ next: committed }) };
  }
}

/** Whatever is in the log can come again: offsets set back, a consumer that was held up, a dead letter redriven. */
function* redeliverySteps(state: State, key: KeyState, at: number, rules: Rules): Iterable<Step> {
  for (const record of key.log.slice(0, key.follower.next)) {
    const after = guarded(key.follower, record, rules);
    if (after === key.follower) continue;
    yield {
      what: `the follower is given ${nameOf(at)}, ${describeStatement(record)}, once more, and applies it`,
      next: withKey(state, at, { follower: after }),
    };
  }
}

function* secondConsumerSteps(state: State, { log, follower }: KeyState, at: number): Iterable<Step> {
  const put = (next: Follower): State => withKey(state, at, { follower: next });
  const { looked, version: held } = follower;
  if (looked === null) {
    for (const [offset, record] of log.entries()) {
      yield {
        what: `a second consumer, with ${nameOf(at)}, ${describeStatement(record)}, reads the version held: ${held ?? 'none'}`,
        next: put({ ...follower, looked: { offset, held } }),
      };
    }
    return;
  }
  const record = log[looked.offset];
  if (record === undefined) return;
  const newer = isNewer(record.version, looked.held);
  yield {
    what: `the second consumer ${newer ? 'writes' : 'passes over'} ${nameOf(at)}, ${describeStatement(record)}`,
    next: put({ ...(newer ? written(follower, record, null) : follower), looked: null }),
  };
}
