import { ChangeoverError } from '../core/errors.ts';
import type { Stage } from './stage.ts';

/** Stops the pipeline on the first change that the store refuses for good, before its offset can be committed. */
export function stopOnRejection(sink: string): Stage {
  return (next) => async (batch, signal) => {
    const outcomes = await next(batch, signal);
    const index = outcomes.findIndex(({ status }) => status === 'rejected');
    const outcome = outcomes[index];
    const received = batch[index];
    if (outcome?.status === 'rejected' && received !== undefined) {
      const { change, record } = received;
      throw new ChangeoverError(
        'change-rejected',
        `${sink} refuses ${change.kind} ${change.key} (partition ${record.partition}, offset ${record.offset}): ${outcome.reason}`,
        {
          hint: `Nothing after it was committed for ${sink}. Mend the entity at its origin or in ${sink}, then run again.`,
        },
      );
    }
    return outcomes;
  };
}
