import type { Violation } from './explore.ts';
import { describeContent, nameOf } from './step.ts';

/** A counterexample, one numbered line for each thing that happens. */
export function showViolation({ property, reason, start, trace }: Violation): string {
  const before = start.keys.map(({ origin, writing }, at) => {
    const late = writing.length > 0 ? ', and a write that capture does not see is under way' : '';
    return `   at first ${nameOf(at)} has ${describeContent(origin.content)}${late}`;
  });
  const lines = trace.map(({ what }, index) => `${String(index + 1).padStart(2)} ${what}`);
  return [`broken: ${property}`, ...before, ...lines, `   so ${reason}`].join('\n');
}
