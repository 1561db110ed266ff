import { Neo4jError } from 'neo4j-driver';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { meaningOf } from './failure-meanings.ts';

/**
 * What a failure of the driver or server means to us. `change-rejected` is a fault of the records that were written:
 * the sink looks for the one. What is no error of the driver (a defect, an abort) stays as it is.
 */
export function neo4jError(error: unknown, where: string): unknown {
  if (!(error instanceof Neo4jError)) return error;
  const message = messageOf(error);
  const { code, says, ...details } = meaningOf(error.code, message) ?? { code: 'internal' as const };
  return new ChangeoverError(code, `${where}: ${says ?? factOf(message)}`, { ...details, cause: error });
}

/** A batch of one that the server has no memory for is not too large: others are using it up, and that passes. */
export function asPassingMemory(error: ChangeoverError): ChangeoverError {
  const { cause } = error;
  if (!(cause instanceof Neo4jError) || !cause.code.endsWith('.General.TransactionOutOfMemoryError'))
    return error;
  const hint = 'Wait for the load to pass, or raise dbms.memory.transaction.total.max.';
  return new ChangeoverError('unreachable', error.message, { hint, cause });
}

/** The driver puts advice before the fact in some messages, and the server some after it. */
function factOf(message: string): string {
  const [line = message] = message.split('\n');
  const causedBy = line.indexOf('Caused by: ');
  return (causedBy === -1 ? line : `does not answer (${line.slice(causedBy + 'Caused by: '.length)})`).trim();
}
