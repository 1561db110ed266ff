import type { Batch, KafkaMessage } from 'kafkajs';

/**
 * Offsets at which there is something that is no record for a reader: the marker that ends a transaction, or a record that
 * was rolled back. We write no transactions; another program may, into a topic of ours.
 */
export interface Hidden {
  readonly topic: string;
  readonly partition: number;
  /** The first of them. */
  readonly from: number;
  /** The offset behind the last one. */
  readonly to: number;
}

/** kafkajs takes them out of the messages, and its types do not know where it keeps them all. */
type WholeBatch = Batch & { readonly messagesWithinOffset?: readonly KafkaMessage[] };

/** Those of one fetch, beside its messages; ascending. */
export function hiddenIn({ messages, messagesWithinOffset: all }: WholeBatch): readonly number[] {
  if (all === undefined || all.length === messages.length) return [];
  const given = new Set(messages.map(({ offset }) => offset));
  return all.flatMap(({ offset }) => (given.has(offset) ? [] : [Number(offset)]));
}

/** The first offset from this one on that is not hidden. */
export function behindHidden(offset: number, hidden: readonly number[]): number {
  let next = offset;
  for (const each of hidden) if (each === next) next += 1;
  return next;
}
