import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import { type HeldState, placeOf, type TargetState, type Violation, type ViolationName } from './evidence.ts';
import { type KeyEvidence, type Truth, truthOf } from './oracle-keys.ts';

/** Every follower of a kind holds what is so at the end, with its version and to the last bit. */
export function* targetViolations(
  evidence: KeyEvidence,
  targets: readonly TargetState[],
): Generator<Violation> {
  const { kind, key } = evidence;
  const truth = truthOf(evidence);
  for (const { name: target, kinds, states } of targets) {
    if (!kinds.includes(kind)) continue;
    const fault = faultOf(states.get(placeOf({ kind, key })), truth, evidence);
    if (fault === undefined) continue;
    yield { name: fault.name, kind, key, detail: `${target}: ${fault.detail}` };
  }
}

interface Fault {
  readonly name: ViolationName;
  readonly detail: string;
}

function faultOf(
  held: HeldState | undefined,
  truth: Truth,
  { writes, initial }: KeyEvidence,
): Fault | undefined {
  const is = said(truth.version, truth.content);
  const has = held === undefined ? 'has never heard of it' : `holds ${said(held.version, held.content)}`;
  const fault = (name: ViolationName): Fault => ({ name, detail: `${has}; it should be ${is}` });
  if (held === undefined) return truth.content === undefined ? undefined : fault('lost');
  const versionIsRight =
    truth.version === null
      ? held.version !== null && held.version < FIRST_CAPTURED_VERSION
      : held.version === truth.version;
  if (versionIsRight && held.content === (truth.content ?? null)) return undefined;
  if (held.content !== null && (truth.content ?? null) === null) return fault('resurrected');
  const stems =
    held.content === null ||
    held.content === initial ||
    writes.some(({ content, rejected }) => !rejected && content === held.content);
  if (!stems || versionIsRight || (held.version ?? 0) > (truth.version ?? FIRST_CAPTURED_VERSION - 1))
    return fault('invented');
  return fault('lost');
}

function said(version: number | null, content: string | null | undefined): string {
  return `version ${version ?? '(of a backfill)'}, ${content ?? 'deleted'}`;
}
