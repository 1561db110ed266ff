import type { Transaction } from './client.ts';
import { LOCK_PROPERTY, type NodeNames, quoted } from './names.ts';

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
  names: NodeNames,
  keys: readonly string[],
): Promise<void> {
  await transaction.run(lockText(names), { keys });
}

/** As the beginning of a statement: it goes on with each node as `n`. */
export function lockText({ label, stub }: NodeNames): string {
  return `UNWIND $keys AS key
    MERGE (n:${quoted(label)} {id: key}) ON CREATE SET n:${quoted(stub)}
    REMOVE n.${LOCK_PROPERTY}`;
}

/**
 * Removes those of the nodes that are stubs and that no relationship needs, which it asks when it has locked them. A stub
 * on which an application has written meanwhile is no stub any more. The hint keeps a plan that was made when there were no stubs from walking all of
 * them when there are many.
 */
export async function removeIdleStubs(
  transaction: Transaction,
  { label, stub }: NodeNames,
  keys: readonly string[],
): Promise<void> {
  if (keys.length === 0) return;
  await transaction.run(
    `MATCH (n:${quoted(label)}) USING INDEX n:${quoted(label)}(id)
     WHERE n.id IN $keys AND n:${quoted(stub)}
     REMOVE n.${LOCK_PROPERTY}
     WITH n
     WHERE n:${quoted(stub)} AND size(keys(n)) = 1 AND NOT EXISTS { (n)--() }
     DELETE n`,
    { keys },
  );
}
