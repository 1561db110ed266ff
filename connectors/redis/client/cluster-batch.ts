import type { Cluster } from 'ioredis';
import type { Answer, PlainCommand } from './client.ts';
import { nameOf } from './cluster-nodes.ts';
import { slotOf } from './hash-slot.ts';

/**
 * Commands whose first words are keys, those for one node in one go. Answers in their order. Not a pipeline of the cluster's
 * client: that is sent again as a whole where a slot has moved, and then refused because it is for two nodes.
 */
export async function batchByNode(
  cluster: Cluster,
  commands: readonly PlainCommand[],
): Promise<readonly Answer[]> {
  const groups = new Map<string, number[]>();
  for (const [index, [, key]] of commands.entries()) {
    const node = cluster.slots[slotOf(String(key))]?.[0] ?? '';
    const group = groups.get(node);
    if (group === undefined) groups.set(node, [index]);
    else group.push(index);
  }
  const answers = new Array<Answer | undefined>(commands.length);
  const nodes = new Map(cluster.nodes('master').map((node) => [nameOf(node), node]));
  await Promise.all(
    [...groups].map(async ([name, indexes]) => {
      const batch = indexes.map((index) => [...(commands[index] ?? [])]);
      const some = (await nodes.get(name)?.pipeline(batch).exec()) ?? [];
      for (const [number, index] of indexes.entries()) answers[index] = some[number] as Answer;
    }),
  );
  return Promise.all(
    // Those whose slot is moving, or has moved, are sent after it, alone.
    commands.map(async (command, index) => {
      const answer = answers[index];
      return answer === undefined || isElsewhere(answer) ? sendAlone(cluster, command) : answer;
    }),
  );
}

function isElsewhere([error]: Answer): boolean {
  return error !== null && /^(MOVED|ASK|TRYAGAIN) /.test(error.message);
}

async function sendAlone(cluster: Cluster, [method, ...words]: PlainCommand): Promise<Answer> {
  const send = Reflect.get(cluster, method) as (...words: readonly unknown[]) => Promise<unknown>;
  try {
    return [null, await send.apply(cluster, words)];
  } catch (error) {
    return [error as Error, undefined];
  }
}
