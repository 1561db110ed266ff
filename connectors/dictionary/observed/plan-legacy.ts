import { isDeepStrictEqual } from 'node:util';
import { textFault } from '../../../core/text.ts';
import type { EntityOf } from '../../../schemas/change.ts';
import { isSameTie } from '../read/edit-ties.ts';
import { tieKey } from '../read/overlay.ts';
import { readTies } from '../read/ties.ts';
import { described, isFault, type RawAgent, type RowFault, readAgent, writeAgent } from '../rows.ts';
import { frozen, frozenCopy, quickJson } from './frozen.ts';
import { Place } from './place.ts';
import { planAgentDelete, planUntold } from './plan-entity.ts';
import { rejectWrite, tieKeyOf, type WritePlan } from './write-plan.ts';

type Relationship = EntityOf['relationship'];
type Ties = ReadonlyMap<string, Relationship>;

/** What is captured for an agent that is set: itself always, its relationships where they differ. */
export function planSet(plan: WritePlan, id: string, given: unknown, maxAgentBytes: number): RawAgent {
  const present = plan.draft.place(id);
  const { raw: value } = soundValue(id, given, present?.raw);
  const read = readAgent(id, value);
  if (isFault(read)) return refuse(id, read);
  const { agent } = read;
  const before = present?.raw;
  const keepsTies = before !== undefined && isDeepStrictEqual(before.memory, value.memory);
  const ties = keepsTies ? new Map(present?.ties) : soundTies(id, value);
  const raw = frozen(writeAgent(agent, value));
  const saysMore = !isDeepStrictEqual(restOf(raw), restOf(before ?? writeAgent(agent, undefined)));
  const json = saysMore ? boundedJson(id, raw, maxAgentBytes) : undefined;
  plan.begin();
  const { gone, changed } = keepsTies ? NO_CHANGES : differences(present, ties);
  plan.add(
    plan.prepare(
      { kind: 'agent', key: id, entity: agent },
      { raw: json === undefined ? undefined : { raw, json } },
    ),
  );
  for (const tie of gone) plan.add(plan.prepare({ kind: 'relationship', key: tieKeyOf(tie), entity: null }));
  for (const tie of changed)
    plan.add(plan.prepare({ kind: 'relationship', key: tieKeyOf(tie), entity: tie }));
  plan.draft.replace(Place.whole(agent, raw, ties));
  if (before === undefined) planUntold(plan, id);
  return raw;
}

/** False where there is no such agent; then nothing is written. */
export function planRemoval(plan: WritePlan, id: string): boolean {
  if (plan.draft.place(id)?.isThere !== true) return false;
  plan.begin();
  planAgentDelete(plan, id);
  return true;
}

/** A longer one could not be read again. */
function boundedJson(id: string, raw: RawAgent, maxAgentBytes: number): Buffer {
  const json = Buffer.from(quickJson(raw));
  return json.byteLength <= maxAgentBytes
    ? json
    : refuse(id, {
        path: '',
        reason: `it has ${json.byteLength} bytes as JSON, more than ${maxAgentBytes}`,
      });
}

function soundValue(id: string, given: unknown, held: RawAgent | undefined): { readonly raw: RawAgent } {
  if (typeof id !== 'string' || textFault(id) !== undefined || id === '')
    return refuse(described(id), { path: '', reason: 'its id is no id' });
  const found = frozenCopy(given, held);
  if (isFault(found)) return refuse(id, found);
  const { copy } = found;
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy))
    return refuse(id, { path: '', reason: 'it is no object' });
  const raw = copy as RawAgent;
  const said = raw.id ?? id;
  if (said !== id) return refuse(id, { path: 'id', reason: 'it is not the id that it is stored under' });
  return { raw };
}

function soundTies(id: string, raw: RawAgent): Map<string, Relationship> {
  const { ties, faults } = readTies(id, raw);
  const [fault] = faults;
  if (fault !== undefined) return refuse(id, fault);
  return new Map(ties.map(({ tie }) => [tieKey(tie), tie]));
}

interface TieDifferences {
  readonly gone: readonly Relationship[];
  readonly changed: readonly Relationship[];
}

const NO_CHANGES: TieDifferences = { gone: [], changed: [] };

function differences(present: Place | undefined, ties: Ties): TieDifferences {
  const before: Ties = present?.ties ?? new Map();
  return {
    gone: [...before].filter(([key]) => !ties.has(key)).map(([, tie]) => tie),
    changed: [...ties].filter(([key, tie]) => !isSameTie(before.get(key), tie)).map(([, tie]) => tie),
  };
}

/** What an agent has beside its own fields. */
function restOf(raw: RawAgent): RawAgent {
  const { id: _id, type: _type, active: _active, attributes: _attributes, ...rest } = raw;
  return rest;
}

function refuse(id: string, { path, reason }: RowFault): never {
  const where = path === '' ? '' : `, ${path}`;
  return rejectWrite(
    { kind: 'agent', key: id },
    `The dictionary does not take agent ${JSON.stringify(id)}${where}: ${reason}.`,
  );
}
