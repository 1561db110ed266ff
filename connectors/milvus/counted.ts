import { ChangeoverError } from '../../core/errors.ts';
import { serverCodeOf } from './errors.ts';

/** What the server answers to a write. */
export interface Mutation {
  readonly status: { readonly error_code: string | number; readonly code?: number };
  readonly err_index?: readonly unknown[];
  readonly upsert_cnt?: string;
  readonly delete_cnt?: string;
}

/** A write that was done in part says so only in its counts. Doing all of it again is safe. */
export function counted<T extends Mutation>(name: 'Upsert' | 'Delete', answer: T, expected: number): T {
  if (serverCodeOf(answer) !== 0) return answer;
  const done = Number(name === 'Upsert' ? answer.upsert_cnt : answer.delete_cnt);
  if (done === expected && (answer.err_index ?? []).length === 0) return answer;
  throw new ChangeoverError('internal', `Milvus did ${done} of ${expected} rows of one ${name}`, {
    retryable: true,
  });
}
