import type { Change } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import { removal, upsert } from '../support/changes.ts';
import { agent, tie } from './dictionary-support.ts';

const AGENTS = 20;

/** What a writer applies as one batch: it follows from the version, so that a reader can know what must be there. */
export function batchOf(version: number): readonly Change[] {
  const id = `agent ${version % AGENTS}`;
  const friend = tie(id, `agent ${(version * 7) % AGENTS}`, {
    strength: version % 100,
    type: `T${version % 3}`,
  });
  return [
    version % 5 === 0 ? removal('agent', id, version) : upsert('agent', agent(id, { version }), version),
    version % 4 === 0
      ? removal('relationship', keyOf('relationship', friend), version)
      : upsert('relationship', friend, version),
  ];
}
