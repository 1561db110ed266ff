import { placeOf, type Violation } from './evidence.ts';
import { endsOf, type KeyEvidence } from './oracle-keys.ts';

/**
 * When an agent is deleted, the relationships at it have been deleted before, with versions of their own. (All agents and
 * relationships of these runs are of one store, which gives their versions from one counter.)
 */
export function* cascadeViolations(keys: ReadonlyMap<string, KeyEvidence>): Generator<Violation> {
  for (const evidence of keys.values()) {
    const { kind, key, initial, captured } = evidence;
    const deletes = endsOf(kind, key).flatMap((id) =>
      [...(keys.get(placeOf({ kind: 'agent', key: id }))?.captured.values() ?? [])].filter(
        ({ content }) => content === null,
      ),
    );
    const own = [...captured.values()].toSorted((left, right) => left.version - right.version);
    for (const { version, key: agent } of deletes) {
      const last = own.findLast((entry) => entry.version < version);
      const alive = last === undefined ? initial !== undefined : last.content !== null;
      if (!alive) continue;
      const detail = `agent ${agent} was deleted at version ${version}, and this relationship at it was not`;
      yield { name: 'lost', kind, key, detail };
    }
  }
}
