import { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';

export interface LaneMessage {
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly partition: number;
}

/** A producer with an identity of its own at the brokers, which number what it writes to each partition. */
export interface LaneProducer extends Closable {
  /**
   * Appends the messages to that partition, together and in order, and resolves when all in-sync replicas have them.
   * A repetition of the last call is written once, however often it is made. Throws our errors; `StuckSend` when it
   * cannot be known whether the call is over, and then this producer cannot write any more.
   */
  send(topic: string, partition: number, messages: readonly LaneMessage[]): Promise<void>;
}

/** A send that neither succeeded nor failed. */
export class StuckSend extends ChangeoverError {
  constructor(message: string) {
    super('timeout', message);
  }
}
