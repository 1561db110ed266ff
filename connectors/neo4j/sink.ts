import { byHalves } from '../../core/by-halves.ts';
import { isRejection, messageOf } from '../../core/errors.ts';
import { chunked, forEachLimited } from '../../core/sequence.ts';
import type { Change, ChangeOf, EntityOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { coalescingSink } from '../coalescing-sink.ts';
import { type Outcome, rejected, type Sink, STALE } from '../connector.ts';
import { deleteNodes, type NodeKind, upsertNodes } from './apply-nodes.ts';
import { isOfOneType, upsertRelationships } from './apply-relationships.ts';
import type { Neo4jClient, Transaction } from './client.ts';
import { deleteRelationships } from './delete-relationships.ts';
import { asPassingMemory } from './errors.ts';
import type { NodeNames } from './names.ts';
import { agentProperties, embeddingProperties } from './rows.ts';
import { requirePrepared } from './schema.ts';
import type { StoreScope } from './scope.ts';
import type { Properties } from './values.ts';
import { vectorPlace } from './vector-place.ts';

/** Agents before their relationships, so that few stubs are made. */
const IN_ORDER: readonly Kind[] = ['agent', 'relationship', 'embedding'];

type Apply = (client: Neo4jClient, changes: readonly Change[]) => Promise<readonly Outcome[]>;
type ApplyWithin = (transaction: Transaction, changes: readonly Change[]) => Promise<readonly Outcome[]>;

/** How changes of one kind are applied. Deletes go by themselves, so that the usual batch is one fast statement. */
interface Applier {
  readonly upsert: Apply;
  readonly remove: Apply;
}

export function openSink(scope: StoreScope): Sink {
  const { client, options, context } = scope;
  const appliers = appliersOf(scope);
  const ready = once(() => requirePrepared(scope));
  const vectors = vectorPlace(scope);

  return coalescingSink({
    kinds: IN_ORDER.filter((kind) => context.kinds.includes(kind)),
    close: async () => {},
    async applyDistinct(kind, changes) {
      const applier = appliers[kind];
      if (applier === undefined) throw new Error(`Neo4j holds no ${kind}.`);
      await ready();
      if (kind === 'embedding') await vectors.learn(changes);
      const outcomes = new Map<Change, Outcome>();
      const [upserts, removals]: [Change[], Change[]] = [[], []];
      for (const change of changes) {
        const fault = vectors.fault(change);
        if (fault !== undefined) outcomes.set(change, rejected(fault));
        else (change.after === null ? removals : upserts).push(change);
      }
      const size = kind === 'embedding' ? options.embeddingBatchSize : options.batchSize;
      await forEachLimited([...batches(upserts, size)], options.sessions, (batch) =>
        isolate(client, applier.upsert, batch, outcomes),
      );
      for (const batch of batches(removals, size)) await isolate(client, applier.remove, batch, outcomes);
      return changes.map((change) => outcomeOf(outcomes, change));
    },
  });
}

function appliersOf({ names }: StoreScope): { readonly [K in Kind]?: Applier } {
  return {
    agent: nodeApplier<'agent'>(names.agent, agentProperties),
    embedding: nodeApplier<'embedding'>(names.memory, embeddingProperties),
    relationship: {
      upsert: (client, changes) => {
        const ties = changes as TieChanges;
        return isOfOneType(ties)
          ? upsertRelationships(ownTransactions(client), names, ties)
          : client.transact((transaction) => upsertRelationships(transaction, names, ties));
      },
      remove: inTransaction((transaction, changes) =>
        deleteRelationships(transaction, names, changes as TieChanges),
      ),
    },
  };
}

type TieChanges = readonly ChangeOf<'relationship'>[];
type NodeChanges<K extends NodeKind> = readonly ChangeOf<K>[];

function nodeApplier<K extends NodeKind>(
  names: NodeNames,
  propertiesOf: (entity: EntityOf[K], version: number) => Properties,
): Applier {
  return {
    upsert: (client, changes) =>
      upsertNodes(
        ownTransactions(client),
        names,
        (changes as NodeChanges<K>).flatMap(({ key, version, after }) =>
          after === null ? [] : { key, version, properties: propertiesOf(after, version) },
        ),
      ),
    remove: inTransaction((transaction, changes) =>
      deleteNodes(transaction, names, changes as NodeChanges<K>),
    ),
  };
}

/** Each statement is a transaction of its own: one way to the server and back. */
function ownTransactions(client: Neo4jClient): Transaction {
  return { run: (text, parameters) => client.statement(text, parameters) };
}

function inTransaction(apply: ApplyWithin): Apply {
  return (client, changes) => client.transact((transaction) => apply(transaction, changes));
}

/** In the order of the keys, so that two transactions lock the same nodes in the same order. */
function batches(changes: Change[], size: number): Iterable<readonly Change[]> {
  return chunked(
    changes.sort((left, right) => (left.key < right.key ? -1 : 1)),
    size,
  );
}

function outcomeOf(outcomes: ReadonlyMap<Change, Outcome>, change: Change): Outcome {
  const outcome = outcomes.get(change);
  if (outcome === undefined) throw new Error(`No outcome for ${change.kind} ${change.key}.`);
  return outcome;
}

/** Applies the batch as one; a record that the server refuses is rejected, the others are applied. */
async function isolate(
  client: Neo4jClient,
  apply: Apply,
  batch: readonly Change[],
  outcomes: Map<Change, Outcome>,
): Promise<void> {
  const transact = async (part: readonly Change[]): Promise<void> => {
    const answers = await apply(client, part);
    for (const [index, change] of part.entries()) outcomes.set(change, answers[index] ?? STALE);
  };
  const attempt = async (part: readonly Change[]): Promise<void> => {
    try {
      await transact(part);
    } catch (error) {
      if (part.length > 1 || !isRejection(error)) throw error;
      // Once more: a node that another transaction gave a relationship while this one deleted it fails the same way.
      await transact(part).catch((again: unknown) => {
        throw isRejection(again) ? asPassingMemory(again) : again;
      });
    }
  };
  await byHalves(batch, attempt, (change, error) =>
    outcomes.set(change, rejected(messageOf(error.cause ?? error))),
  );
}

/** Runs the check before the first use; one that failed is made again at the next. */
function once(check: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return async () => {
    done ??= check();
    try {
      await done;
    } catch (error) {
      done = undefined;
      throw error;
    }
  };
}
