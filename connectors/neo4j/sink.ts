import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { chunked } from '../../core/sequence.ts';
import type { Change, ChangeOf } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { keyOf, parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { coalescingSink } from '../coalescing-sink.ts';
import { APPLIED, type Outcome, rejected, type Sink } from '../connector.ts';
import { applyNodes } from './apply-nodes.ts';
import { applyRelationships } from './apply-relationships.ts';
import type { Neo4jClient, Transaction } from './client.ts';
import type { Neo4jOptions } from './options.ts';
import { agentProperties, embeddingProperties } from './rows.ts';
import { requirePrepared, type SchemaScope } from './schema.ts';
import { vectorPlace } from './vector-place.ts';

export interface SinkScope extends SchemaScope {
  readonly options: Neo4jOptions;
}

type Apply = (transaction: Transaction, changes: readonly Change[]) => Promise<readonly Outcome[]>;

export function openSink(scope: SinkScope): Sink {
  const { client, names, options, context } = scope;
  const appliers: { readonly [K in Kind]?: Apply } = {
    agent: (transaction, changes) =>
      applyNodes(
        transaction,
        { names: names.agent, properties: ({ after, version }) => agentProperties(after, version) },
        changes as readonly ChangeOf<'agent'>[],
      ),
    relationship: (transaction, changes) =>
      applyRelationships(transaction, names, changes as readonly ChangeOf<'relationship'>[]),
    embedding: (transaction, changes) =>
      applyNodes(
        transaction,
        { names: names.memory, properties: ({ after, version }) => embeddingProperties(after, version) },
        changes as readonly ChangeOf<'embedding'>[],
      ),
  };
  const ready = once(() => requirePrepared(scope));
  const vectors = vectorPlace(scope);

  return coalescingSink({
    kinds: context.kinds,
    close: async () => {},
    async applyDistinct(kind, changes) {
      await ready();
      const apply = appliers[kind];
      if (apply === undefined) throw new Error(`Neo4j holds no ${kind}.`);
      const outcomes = new Map<Change, Outcome>();
      const sound: Change[] = [];
      if (kind === 'embedding') await vectors.learn(changes);
      for (const change of changes) {
        const fault = changeFault(change) ?? (kind === 'embedding' ? vectors.fault(change) : undefined);
        if (fault === undefined) sound.push(change);
        else outcomes.set(change, rejected(fault));
      }
      sound.sort((left, right) => (left.key < right.key ? -1 : 1));
      const size = kind === 'embedding' ? options.embeddingBatchSize : options.batchSize;
      for (const batch of chunked(sound, size)) {
        const answers = await isolate(client, apply, batch);
        for (const [index, change] of batch.entries()) outcomes.set(change, answers[index] ?? APPLIED);
      }
      return changes.map((change) => outcomes.get(change) ?? APPLIED);
    },
  });
}

/**
 * Applies the batch in one transaction. When it fails by a fault of a record, halves it until the record stands alone:
 * that one is rejected, the others are applied.
 */
async function isolate(
  client: Neo4jClient,
  apply: Apply,
  batch: readonly Change[],
): Promise<readonly Outcome[]> {
  const attempt = () => client.transact((transaction) => apply(transaction, batch));
  const first = await attempt().then(answersOf, faultOf);
  if ('answers' in first) return first.answers;
  if (batch.length > 1) {
    const middle = Math.ceil(batch.length / 2);
    const left = await isolate(client, apply, batch.slice(0, middle));
    return [...left, ...(await isolate(client, apply, batch.slice(middle)))];
  }
  // Once more: a node that another transaction gave a relationship while this one deleted it fails the same way.
  const last = await attempt().then(answersOf, faultOf);
  return 'answers' in last ? last.answers : [rejected(last.fault)];
}

const answersOf = (answers: readonly Outcome[]) => ({ answers });

/** The server's words about a fault of the records; throws any other error. */
function faultOf(error: unknown): { readonly fault: string } {
  if (error instanceof ChangeoverError && error.code === 'change-rejected') {
    return { fault: messageOf(error.cause) };
  }
  throw error;
}

/** What can be seen to be wrong with a change before the server is asked. */
function changeFault(change: Change): string | undefined {
  if (change.after !== null) {
    const fault = entityFault<Kind>(change.kind, change.after);
    if (fault !== undefined) return fault;
    return keyOf<Kind>(change.kind, change.after) === change.key
      ? undefined
      : 'its key is not the key of its entity';
  }
  return keyFault(change);
}

/** The key of a delete is all there is of it; the type in a relationship's key becomes part of a query's text. */
function keyFault({ kind, key }: Change): string | undefined {
  try {
    if (kind !== 'relationship') {
      return entityFault('agent', { id: key, type: '', active: true, attributes: {} });
    }
    const ends = parseKey('relationship', key);
    return entityFault('relationship', { ...ends, strength: 0, since: null, properties: {} });
  } catch (error) {
    return messageOf(error);
  }
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
