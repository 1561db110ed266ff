import { isRejection } from '../../../core/errors.ts';
import type { Change, EntityOf } from '../../../schemas/change.ts';
import { changeFault } from '../../../schemas/change-fault.ts';
import { parseKey } from '../../../schemas/keys.ts';
import type { CapturePath, EntityWrite, WriteResult } from '../../capture.ts';
import { foreignKindFault } from '../../write-fault.ts';
import { quickJson } from './frozen.ts';
import { type PlanSettings, type RawWithJson, tieKeyOf, type WritePlan } from './write-plan.ts';

type Agent = EntityOf['agent'];
type Relationship = EntityOf['relationship'];

/** Plans one write of an application: it, and what follows from it. Throws `outbox-full`. */
export function planWrite(plan: WritePlan, write: EntityWrite, path: CapturePath): WriteResult {
  const seen = write.eventId === undefined ? undefined : plan.eventOf(write.eventId);
  if (seen !== undefined) return { status: 'repeated', version: seen.version };
  const fault = faultOf(write, plan.settings);
  if (fault !== undefined) return { status: 'rejected', reason: fault };
  plan.begin();
  try {
    return { status: 'written', version: planSound(plan, write, path) };
  } catch (error) {
    if (isRejection(error)) return { status: 'rejected', reason: error.message };
    throw error;
  }
}

function faultOf(write: EntityWrite, { kinds, store }: PlanSettings): string | undefined {
  const { kind, key, entity, eventId } = write;
  const foreign = foreignKindFault(kind, kinds, store);
  if (foreign !== undefined) return foreign;
  if (eventId === '') return 'its event id is empty';
  return changeFault({ kind, key, version: 1, after: entity } as Change);
}

function planSound(plan: WritePlan, write: EntityWrite, path: CapturePath): number {
  if (write.kind === 'agent') {
    if (write.entity === null) return planAgentDelete(plan, write.key, { path, eventId: write.eventId });
    return planAgent(plan, { ...write, entity: ownAgent(write.entity) }, path);
  }
  const { draft } = plan;
  const tie = write.entity === null ? null : ownTie(write.entity as Relationship);
  const version = plan.add(plan.prepare({ ...write, entity: tie } as EntityWrite, { path }));
  if (tie === null) draft.removeTie(parseKey('relationship', write.key));
  else draft.setTie(tie);
  return version;
}

/** Copies, so that what the caller does with its object later changes nothing here. */
function ownAgent({ id, type, active, attributes }: Agent): Agent {
  return { id, type, active, attributes: { ...attributes } };
}

function ownTie({ source, target, type, strength, since, properties }: Relationship): Relationship {
  return { source, target, type, strength, since, properties: { ...properties } };
}

function planAgent(
  plan: WritePlan,
  write: EntityWrite & { readonly kind: 'agent'; readonly entity: Agent },
  path: CapturePath,
): number {
  const { draft } = plan;
  const present = draft.place(write.key);
  // Ties that were kept without an agent come into it: that has to be said, for the base may have others under its id.
  let raw: RawWithJson | undefined;
  if (present !== undefined && !present.isThere && !present.isEmpty) {
    const next = present.clone();
    next.setAgent(write.entity);
    if (next.raw !== undefined) raw = { raw: next.raw, json: Buffer.from(quickJson(next.raw)) };
  }
  const version = plan.add(plan.prepare(write, { path, raw }));
  const wasThere = present?.isThere === true;
  draft.setAgent(write.entity);
  if (!wasThere) planUntold(plan, write.key, path);
  return version;
}

/** With an agent those legacy ties come to be that had waited for it: nobody was told of them yet. */
export function planUntold(plan: WritePlan, target: string, path: CapturePath = 'shim'): void {
  for (const tie of plan.draft.untoldTies(target)) {
    const key = tieKeyOf(tie);
    if (plan.draft.tie(key) === undefined) continue;
    plan.add(plan.prepare({ kind: 'relationship', key, entity: tie }, { path, created: true }));
  }
}

interface DeleteOptions {
  readonly path?: CapturePath | undefined;
  readonly eventId?: string | undefined;
}

/** The relationships that start or end at it in this dictionary first, then itself. */
export function planAgentDelete(plan: WritePlan, id: string, { path, eventId }: DeleteOptions = {}): number {
  const { draft } = plan;
  const own = plan.prepare(
    { kind: 'agent', key: id, entity: null, ...(eventId === undefined ? {} : { eventId }) },
    { path },
  );
  const incoming = [...draft.sourcesOf(id)].flatMap((source) =>
    source === id
      ? []
      : [...(draft.place(source)?.ties.values() ?? [])].filter(({ target }) => target === id),
  );
  for (const tie of [...(draft.place(id)?.ties.values() ?? []), ...incoming]) {
    const write = { kind: 'relationship', key: tieKeyOf(tie), entity: null } as const;
    plan.add(plan.prepare(write, { path }));
    draft.removeTie(tie);
  }
  const version = plan.add(own);
  if (draft.place(id) !== undefined) draft.removeAgent(id);
  return version;
}
