import { type Evidence, placeOf, type Violation } from './evidence.ts';
import { endsOf } from './oracle-keys.ts';

const MOST_LINES = 120;

/** Everything that is known of the key of a violation: what was asked for and answered, the log, and each target. */
export function explain(violation: Violation, evidence: Evidence): string {
  const { name, kind, key, detail } = violation;
  const isIt = (each: { readonly kind: string; readonly key: string }): boolean =>
    each.kind === kind && each.key === key;
  const ends = endsOf(kind, key);
  const initial = evidence.initial.find(isIt);
  const writes = evidence.writes
    .filter(
      (write) =>
        isIt(write) || (write.kind === 'agent' && ends.includes(write.key) && write.content === null),
    )
    .toSorted((left, right) => left.askedAt - right.askedAt)
    .map((write) => {
      const about = isIt(write) ? '' : `agent ${JSON.stringify(write.key)}: `;
      const answer =
        write.acknowledgedAt === null
          ? write.rejected
            ? 'rejected'
            : 'no answer'
          : `at ${write.acknowledgedAt.toFixed(1)}: version ${write.version}`;
      const event = write.eventId === null ? '' : ` (event ${write.eventId})`;
      return `  asked at ${write.askedAt.toFixed(1)}, ${answer}: ${about}write ${write.token}${event} ${write.content ?? 'delete'}`;
    });
  const log = evidence.log
    .filter(isIt)
    .map(
      ({ partition, offset, op, path, version, eventId, content }) =>
        `  ${partition}/${offset} ${path} ${op} ${version} ${eventId} ${content ?? ''}`,
    );
  const targets = evidence.targets
    .filter(({ kinds }) => kinds.includes(kind))
    .map(({ name: target, states }) => {
      const held = states.get(placeOf({ kind, key }));
      return `  ${target}: ${held === undefined ? 'nothing' : `${held.version} ${held.content ?? 'deleted'}`}`;
    });
  return [
    `${name.toUpperCase()} ${kind} ${key}: ${detail}`,
    ` first state: ${initial?.content ?? 'none'}`,
    ' history:',
    ...writes.slice(-MOST_LINES),
    ' log (partition/offset):',
    ...log.slice(-MOST_LINES),
    ' targets:',
    ...targets,
  ].join('\n');
}
