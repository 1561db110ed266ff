import type { Change, ChangeOf } from '../../schemas/change.ts';
import { identityFault } from '../../schemas/entity-fault.ts';
import { keyOf, parseKey } from '../../schemas/keys.ts';
import { nextVersion } from '../../schemas/version.ts';
import type { CapturePath, EntityWrite } from '../capture.ts';
import type { Outcome } from '../connector.ts';
import { changeOf } from '../write-fault.ts';
import { deleteNodes, upsertNodes } from './apply-nodes.ts';
import { type TieChange, upsertRelationships } from './apply-relationships.ts';
import type { Transaction } from './client.ts';
import { deleteRelationships } from './delete-relationships.ts';
import { lockNodes } from './lock-nodes.ts';
import { quoted } from './names.ts';
import type { OutboxNames } from './outbox-names.ts';
import { NOTHING_HELD, readHeldNodes, readHeldTies } from './read-held.ts';
import { agentProperties, type Ends, embeddingProperties, tombstoneKey } from './rows.ts';
import type { StoreScope } from './scope.ts';
import { type Properties, readScalar } from './values.ts';

export interface WriterScope extends StoreScope {
  readonly outbox: OutboxNames;
  readonly writer: string;
}

/** One write as it was made. */
export interface Made {
  readonly change: Change;
  /** The state before, as the store had it; of a delete only. */
  readonly before: Properties | null;
  readonly eventId: string | undefined;
  /** Whether somebody asked for it; the deletes of an agent's relationships follow from its own. */
  readonly asked: EntityWrite | undefined;
}

interface Intent {
  readonly write: EntityWrite;
  readonly asked: boolean;
}

/**
 * Makes writes of distinct keys in one transaction: lock everything (in one order: 0014), then read what is held, then
 * write, as a follower writes, what is newer than all of it.
 */
export async function makeWrites(
  transaction: Transaction,
  scope: WriterScope,
  writes: readonly EntityWrite[],
  path: CapturePath,
): Promise<readonly Made[]> {
  const intents = await lockAll(transaction, scope, writes);
  const stamped = await stamp(transaction, scope, intents, path);
  await apply(
    transaction,
    scope,
    stamped.map(({ change }) => change),
  );
  return stamped;
}

async function lockAll(
  transaction: Transaction,
  { names }: WriterScope,
  writes: readonly EntityWrite[],
): Promise<readonly Intent[]> {
  const gone = writes.flatMap(({ kind, key, entity }) => (kind === 'agent' && entity === null ? [key] : []));
  const locked = new Set<string>();
  let ties: readonly Ends[] = [];
  // The relationships of an agent that goes are locked with it, so they are looked for before, and once more after.
  for (;;) {
    const ids = new Set(writes.filter(({ kind }) => kind === 'agent').map(({ key }) => key));
    for (const { source, target } of [...ties, ...writes.flatMap(endsIn)]) ids.add(source).add(target);
    const missing = [...ids].filter((id) => !locked.has(id)).sort();
    if (missing.length > 0) await lockNodes(transaction, names.agent, missing);
    for (const id of missing) locked.add(id);
    const found = gone.length === 0 ? [] : await tiesOf(transaction, names.agent.label, gone);
    const isComplete = found.every(({ source, target }) => locked.has(source) && locked.has(target));
    ties = found;
    if (isComplete) break;
  }
  const memories = writes.filter(({ kind }) => kind === 'embedding').map(({ key }) => key);
  if (memories.length > 0) await lockNodes(transaction, names.memory, memories.sort());
  const removals = ties.map((ends) => ({
    write: { kind: 'relationship', key: keyOf('relationship', ends), entity: null } satisfies EntityWrite,
    asked: false,
  }));
  return [...removals, ...writes.map((write) => ({ write, asked: true }))];
}

const endsIn = ({ kind, key }: EntityWrite): readonly Ends[] =>
  kind === 'relationship' ? [parseKey('relationship', key)] : [];

/** The relationships between agents that start or end at some of them. */
async function tiesOf(
  transaction: Transaction,
  label: string,
  ids: readonly string[],
): Promise<readonly Ends[]> {
  const { rows } = await transaction.run(
    `UNWIND $ids AS id
     MATCH (n:${quoted(label)} {id: id})
     MATCH (n)-[r]-(:${quoted(label)})
     WITH DISTINCT r
     RETURN DISTINCT startNode(r).id AS source, type(r) AS type, endNode(r).id AS target`,
    { ids },
  );
  return rows
    .map((row): Ends => ({ source: row.get('source'), type: row.get('type'), target: row.get('target') }))
    .filter((ends) => identityFault('relationship', ends) === undefined);
}

async function stamp(
  transaction: Transaction,
  { names, context, writer }: WriterScope,
  intents: readonly Intent[],
  path: CapturePath,
): Promise<readonly Made[]> {
  const keysOf = (kind: EntityWrite['kind']) =>
    intents.filter(({ write }) => write.kind === kind).map(({ write }) => write.key);
  const ties = keysOf('relationship').map((key) => {
    const ends = parseKey('relationship', key);
    return { ends, key: tombstoneKey(ends) };
  });
  const [agents, memories, relationships, { rows }] = await Promise.all([
    readHeldNodes(transaction, names, 'agent', keysOf('agent')),
    readHeldNodes(transaction, names, 'embedding', keysOf('embedding')),
    readHeldTies(transaction, names, ties),
    transaction.run(
      'WITH datetime.realtime() AS now RETURN now.epochSeconds * 1000000 + now.microsecond AS us',
    ),
  ]);
  const nowUs = Number(readScalar(rows[0]?.get('us')) ?? 0);
  const origin = { path, store: context.name, writer };
  // The delete of an agent is no older than those of its relationships, so that they come first in the outbox.
  let floor = 0;
  return intents.map(({ write, asked }): Made => {
    const held =
      (write.kind === 'agent'
        ? agents.get(write.key)
        : write.kind === 'embedding'
          ? memories.get(write.key)
          : relationships.get(tombstoneKey(parseKey('relationship', write.key)))) ?? NOTHING_HELD;
    const version = Math.max(nextVersion(held.version, nowUs), floor);
    if (!asked) floor = Math.max(floor, version);
    const created = held.properties === null;
    const change = changeOf(write, {
      version,
      before: null,
      created,
      origin,
      eventId: '',
      capturedAt: nowUs,
    });
    const before = write.entity === null ? held.properties : null;
    return { change, before, eventId: write.eventId, asked: asked ? write : undefined };
  });
}

/** Deletes before what may be made again, relationships before their agents go and after they are there. */
async function apply(
  transaction: Transaction,
  { names }: WriterScope,
  changes: readonly Change[],
): Promise<void> {
  const of = (kind: Change['kind'], isDelete: boolean): Change[] =>
    changes
      .filter((change) => change.kind === kind && (change.after === null) === isDelete)
      .sort((left, right) => (left.key < right.key ? -1 : 1));
  const steps: readonly (readonly [Change[], () => Promise<readonly Outcome[]>])[] = [
    step(of('relationship', true), (some) => deleteRelationships(transaction, names, some as TieChange[])),
    step(of('agent', true), (some) => deleteNodes(transaction, names.agent, some as ChangeOf<'agent'>[])),
    step(of('agent', false), (some) => upsertNodes(transaction, names.agent, some.map(agentState))),
    step(of('relationship', false), (some) => upsertRelationships(transaction, names, some as TieChange[])),
    step(of('embedding', true), (some) =>
      deleteNodes(transaction, names.memory, some as ChangeOf<'embedding'>[]),
    ),
    step(of('embedding', false), (some) => upsertNodes(transaction, names.memory, some.map(memoryState))),
  ];
  for (const [some, run] of steps) {
    if (some.length === 0) continue;
    const outcomes = await run();
    const lost = some.find((_, index) => outcomes[index]?.status !== 'applied');
    if (lost !== undefined) throw new Error(`${lost.kind} ${lost.key} changed under its lock.`);
  }
}

function step(
  some: Change[],
  run: (some: Change[]) => Promise<readonly Outcome[]>,
): readonly [Change[], () => Promise<readonly Outcome[]>] {
  return [some, () => run(some)];
}

function agentState(change: Change) {
  const { key, version, after } = change as ChangeOf<'agent'>;
  if (after === null) throw new Error('A delete has no state.');
  return { key, version, properties: agentProperties(after, version) };
}

function memoryState(change: Change) {
  const { key, version, after } = change as ChangeOf<'embedding'>;
  if (after === null) throw new Error('A delete has no state.');
  return { key, version, properties: embeddingProperties(after, version) };
}
