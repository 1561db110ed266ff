import { ChangeoverError } from '../../../core/errors.ts';
import { fullOutbox } from '../../outbox-errors.ts';
import { quote } from '../layout.ts';
import { MAX_AGENT_FIELDS } from '../read/agent-hash.ts';
import type { RedisMapping } from './mapping.ts';
import type { Word } from './plan.ts';

/** A command as the application gave it. */
export interface Original {
  readonly name: string;
  readonly args: readonly Word[];
}

interface ErrorContext {
  readonly mapping: RedisMapping;
}

const OURS = /^CHANGEOVER (full|large|fields|elsewhere) (.*)$/s;

/** An error as the bare client would have given it, or as one of ours where the script refused the write. */
export function answerError(error: Error, { mapping }: ErrorContext, original?: Original): Error {
  const [, what, detail = ''] = OURS.exec(error.message) ?? [];
  if (what === undefined) {
    if (original !== undefined && 'command' in error) error.command = original;
    return error;
  }
  const where = original === undefined ? 'A write' : `Key ${quote(String(original.args[0]))}`;
  const nothing = 'Nothing was written.';
  switch (what) {
    case 'full':
      return fullOutbox(mapping.store, detail);
    case 'large':
      return new ChangeoverError(
        'change-rejected',
        `${where}: its change would have ${detail} bytes, more than the ${mapping.maxChangeBytes} that the log takes`,
        { hint: nothing },
      );
    case 'fields':
      return new ChangeoverError(
        'change-rejected',
        `${where}: would have ${detail} fields, more than ${MAX_AGENT_FIELDS}`,
        { hint: nothing },
      );
    default:
      return new ChangeoverError(
        'change-rejected',
        `${where}: an experience with id ${quote(detail)} stands in the list of another agent`,
        { hint: `${nothing} Give each experience an id of its own.` },
      );
  }
}
