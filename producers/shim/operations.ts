import type { EntityOf } from '../../schemas/change.ts';
import type { IdentityOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { InputOf } from './entities.ts';

export interface WriteOptions {
  /**
   * Who writes twice with one event id has it done once, within the time for which the store remembers
   * (24 hours; a dictionary: the newest 100,000).
   */
  readonly eventId?: string;
}

/**
 * What an application can say, one method for each statement. An upsert gives the *whole* state: what it leaves out is not
 * there any more. `R` is what a statement answers: a result, or the batch that it was added to.
 *
 * An entity that some store cannot hold is rejected (`change-rejected`, with the reason) before anything of it is written:
 * an id that is empty or longer than 1,024 bytes, text with NUL or half a surrogate pair, a number that is not finite, an
 * embedding of another space than the collection's, a change larger than the log takes.
 */
export interface Operations<R> {
  /** An agent with all its attributes: a map of strings, finite numbers and booleans. */
  upsertAgent(agent: InputOf['agent'], options?: WriteOptions): R;
  /** Deletes the agent, and before it the relationships that start or end at it in its store. */
  deleteAgent(id: string, options?: WriteOptions): R;
  /**
   * A directed tie, unique for its source, type and target. `strength` is from 0 to 100, `since` milliseconds since 1970
   * or null, `type` a name of letters, digits and underscores.
   */
  relate(tie: InputOf['relationship'], options?: WriteOptions): R;
  unrelate(tie: IdentityOf['relationship'], options?: WriteOptions): R;
  /**
   * A vector that stands for something that an agent remembers. `vector` is numbers, each of which becomes the nearest
   * float32, or the bytes of float32 numbers, little-endian; `space` says what makes it comparable with others.
   */
  putEmbedding(embedding: InputOf['embedding'], options?: WriteOptions): R;
  deleteEmbedding(id: string, options?: WriteOptions): R;
  /** A step that an agent took. `at` is milliseconds since 1970. It is not changed once it is written. */
  recordExperience(experience: EntityOf['experience'], options?: WriteOptions): R;
  deleteExperience(id: string, options?: WriteOptions): R;
  /** What an agent expects of an action in a state: all 64 bits of `value` are kept. */
  putQValue(q: EntityOf['q-value'], options?: WriteOptions): R;
  deleteQValue(q: IdentityOf['q-value'], options?: WriteOptions): R;
  /** How an agent acts: `actions` maps a state to an action. `name` is left out for an agent's only policy. */
  putPolicy(policy: InputOf['policy'], options?: WriteOptions): R;
  deletePolicy(
    policy: Partial<IdentityOf['policy']> & { readonly agentId: string },
    options?: WriteOptions,
  ): R;
}

/** Takes one statement of either sort, still as the application gave it. */
export interface Statements<R> {
  upsert<K extends Kind>(kind: K, input: InputOf[K], options: WriteOptions | undefined): R;
  remove<K extends Kind>(kind: K, identity: IdentityOf[K], options: WriteOptions | undefined): R;
}

export function operationsOn<R>({ upsert, remove }: Statements<R>): Operations<R> {
  return {
    upsertAgent: (agent, options) => upsert('agent', agent, options),
    deleteAgent: (id, options) => remove('agent', { id }, options),
    relate: (tie, options) => upsert('relationship', tie, options),
    unrelate: (tie, options) => remove('relationship', tie, options),
    putEmbedding: (embedding, options) => upsert('embedding', embedding, options),
    deleteEmbedding: (id, options) => remove('embedding', { id }, options),
    recordExperience: (experience, options) => upsert('experience', experience, options),
    deleteExperience: (id, options) => remove('experience', { id }, options),
    putQValue: (q, options) => upsert('q-value', q, options),
    deleteQValue: (q, options) => remove('q-value', q, options),
    putPolicy: (policy, options) => upsert('policy', policy, options),
    // A caller without types may have given nothing: that is said where all of it is looked at.
    deletePolicy: (policy, options) => {
      const { agentId, name = '' } = policy ?? {};
      return remove('policy', { agentId, name }, options);
    },
  };
}
