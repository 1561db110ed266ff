import type { Transaction } from './client.ts';
import { LOCK_PROPERTY, type NodeNames, quoted } from './names.ts';

export interface LockedNodes {
  /** The element id of each key's node: good within this transaction only. */
  readonly places: ReadonlyMap<string, string>;
  /** How many of them were made, as stubs. */
  readonly created: number;
}

/**
 * Takes the write lock of the node of each key and holds it until the transaction ends. A node that is not there is
 * made, as a stub, so that there is always something to lock: two transactions about one key run one after the
 * other, whether the entity exists or not.
 *
 * The keys are distinct and sorted, so that all transactions take their locks in one order and none waits for another
 * in a circle.
 */
export async function lockNodes(
  transaction: Transaction,
  { label, stub }: NodeNames,
  keys: readonly string[],
): Promise<LockedNodes> {
  const { rows, nodesCreated } = await transaction.run(
    `UNWIND $keys AS key
     MERGE (n:${quoted(label)} {id: key}) ON CREATE SET n:${quoted(stub)}
     REMOVE n.${LOCK_PROPERTY}
     RETURN key, elementId(n) AS at`,
    { keys },
  );
  return { places: new Map(rows.map((row) => [row.get('key'), row.get('at')])), created: nodesCreated };
}
