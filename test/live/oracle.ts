import { type Evidence, placeOf, VIOLATIONS, type Violation, type ViolationName } from './evidence.ts';
import { cascadeViolations } from './oracle-cascades.ts';
import { evidenceByKey } from './oracle-keys.ts';
import { logViolations } from './oracle-log.ts';
import { orderViolations } from './oracle-order.ts';
import { targetViolations } from './oracle-targets.ts';

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly counts: Readonly<Record<ViolationName, number>>;
}

/**
 * Compares what the applications know (their own history) with what the log and every target hold. Says nothing of how
 * the product works: it knows keys, states, versions, and that a greater version wins.
 */
export function judge(evidence: Evidence): Verdict {
  const keys = evidenceByKey(evidence);
  const violations: Violation[] = [];
  for (const key of keys.values()) {
    violations.push(
      ...logViolations(key),
      ...orderViolations(key),
      ...targetViolations(key, evidence.targets),
    );
  }
  violations.push(...cascadeViolations(keys));
  violations.push(...strangers(evidence, keys));
  for (const { target, kind, key, from, to } of evidence.decreases) {
    const detail = `${target} held version ${from}, and later ${to === null ? 'had never heard of it' : to}`;
    violations.push({ name: 'decreased', kind, key, detail });
  }
  const counts = Object.fromEntries(
    VIOLATIONS.map((name) => [name, violations.filter((violation) => violation.name === name).length]),
  ) as Record<ViolationName, number>;
  return { violations, counts };
}

/** What is in a target under a key that nobody ever spoke of. */
function* strangers(evidence: Evidence, keys: ReadonlyMap<string, unknown>): Generator<Violation> {
  for (const { name, kinds, states } of evidence.targets) {
    for (const [place, state] of states) {
      if (keys.has(place)) continue;
      const kind = kinds.find((each) => place.startsWith(placeOf({ kind: each, key: '' })));
      if (kind === undefined) continue;
      const key = place.slice(kind.length + 1);
      const detail = `${name} holds version ${state.version} of a key that nobody wrote: ${state.content}`;
      yield { name: 'invented', kind, key, detail };
    }
  }
}
