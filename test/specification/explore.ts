import { backfillSteps } from './backfill-steps.ts';
import { captureSteps } from './capture-steps.ts';
import { Fingerprints } from './fingerprints.ts';
import { followerSteps } from './follower-steps.ts';
import { isDrained, OF_STEPS, PROPERTIES, PROPERTY_NAMES, type PropertyName } from './properties.ts';
import { relaySteps } from './relay-steps.ts';
import type { Rules } from './rules.ts';
import { type Constants, canonical, initialStates, type State } from './state.ts';
import type { Step } from './step.ts';

export interface Exploration {
  readonly constants: Constants;
  readonly rules: Rules;
  /** Which properties to hold the states to; all by default. */
  readonly properties?: readonly PropertyName[];
  readonly onDepth?: (depth: number, states: number) => void;
}

export interface Explored {
  /** Distinct up to the names of the keys. */
  readonly states: number;
  /** Steps that were taken from them, those that lead to a state that was known included. */
  readonly steps: number;
  /** Of the longest of the shortest ways from the beginning. */
  readonly depth: number;
  /** States in which everything has arrived, where the follower was compared with the origin. */
  readonly drained: number;
  readonly violation: Violation | undefined;
}

export interface Violation {
  readonly property: PropertyName;
  readonly reason: string;
  /** The shortest way there. */
  readonly trace: readonly Step[];
  readonly start: State;
}

/** What can happen next: anything of anybody's, one step at a time. */
export function stepsOf(state: State, rules: Rules): readonly Step[] {
  return [
    ...captureSteps(state, rules),
    ...relaySteps(state, rules),
    ...backfillSteps(state, rules),
    ...followerSteps(state, rules),
  ];
}

/** Visits every state that can be reached, in the order of the distance from the beginning, until one breaks a property. */
export function explore({ constants, rules, properties = PROPERTY_NAMES, onDepth }: Exploration): Explored {
  const seen = new Fingerprints();
  let frontier: { readonly id: number; readonly state: State }[] = [];
  for (const state of initialStates(constants)) {
    const id = seen.add(canonical(state), -1);
    if (id !== undefined) frontier.push({ id, state });
  }
  const ofSteps = properties.filter((name) => name === OF_STEPS);
  let [steps, depth, drained] = [0, 0, 0];
  const finished = (violation?: Violation): Explored => ({
    states: seen.count,
    steps,
    depth,
    drained,
    violation,
  });
  while (frontier.length > 0) {
    onDepth?.(depth, seen.count);
    const following: typeof frontier = [];
    for (const { id, state } of frontier) {
      const text = canonical(state);
      let isLast = true;
      for (const step of stepsOf(state, rules)) {
        steps += 1;
        const nextText = canonical(step.next);
        if (nextText !== text) isLast = false;
        const found = seen.add(nextText, id);
        // What holds of a state was seen when it was new; what holds of a step is of every step.
        const fault = faultOf(step.next, state, false, found === undefined ? ofSteps : properties);
        if (fault !== undefined) {
          const { start, trace } = traceTo(id, seen, constants, rules);
          // By the names of the keys in the trace, which those of the state at hand may differ from.
          const last = stepsOf(trace.at(-1)?.next ?? start, rules).find(
            ({ next }) => canonical(next) === nextText,
          );
          return finished({ ...fault, start, trace: [...trace, last ?? step] });
        }
        if (found !== undefined) following.push({ id: found, state: step.next });
      }
      if (isDrained(state)) drained += 1;
      const fault = isLast ? faultOf(state, undefined, true, properties) : undefined;
      if (fault !== undefined) {
        return finished({ ...fault, ...traceTo(id, seen, constants, rules) });
      }
    }
    frontier = following;
    if (frontier.length > 0) depth += 1;
  }
  return finished();
}

type Fault = Pick<Violation, 'property' | 'reason'>;

function faultOf(
  state: State,
  before: State | undefined,
  isLast: boolean,
  properties: readonly PropertyName[],
): Fault | undefined {
  for (const property of properties) {
    const reason = PROPERTIES[property](state, before, isLast);
    if (reason !== undefined) return { property, reason };
  }
  return undefined;
}

/** Walks the way again, because only fingerprints of its states were kept. */
function traceTo(
  id: number,
  seen: Fingerprints,
  constants: Constants,
  rules: Rules,
): Pick<Violation, 'start' | 'trace'> {
  const [first = 0, ...others] = seen.pathTo(id);
  const start = initialStates(constants).find((state) => seen.isOf(first, canonical(state)));
  if (start === undefined) throw new Error('The way to a state does not begin at the beginning.');
  const trace: Step[] = [];
  for (const next of others) {
    const steps = stepsOf(trace.at(-1)?.next ?? start, rules);
    const step = steps.find((each) => seen.isOf(next, canonical(each.next)));
    if (step === undefined) throw new Error('The way to a state cannot be walked again.');
    trace.push(step);
  }
  return { start, trace };
}
