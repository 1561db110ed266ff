import { chunked } from '../../../core/sequence.ts';
import type { Layout } from '../layout.ts';
import type { RedisClient } from './client.ts';
import { ClusterClient, type ClusterNode } from './cluster-client.ts';
import { SLOTS } from './hash-slot.ts';
import { pipelined } from './pipelines.ts';
import { script } from './script.ts';

/** Asks for a number, in each slot of some keys of our own. */
export interface SlotQuestion {
  readonly command: 'exists' | 'xlen';
  keys(own: Layout): readonly [string, ...string[]];
}

interface SlotsContext {
  readonly client: RedisClient;
  readonly layout: Layout;
}

/** Slots that are asked in one go where each is asked by itself: what is waiting meanwhile comes next. */
const SLOTS_AT_ONCE = 1_000;

/** ARGV: command, number of keys per slot, keys. Answers which slots (from 0) said something else than 0, and what. */
const ASK = script(`
local command, each, found = ARGV[1], tonumber(ARGV[2]), {}
for place = 3, #ARGV, each do
  local number = redis.call(command, unpack(ARGV, place, place + each - 1))
  if number ~= 0 then
    found[#found + 1] = (place - 3) / each
    found[#found + 1] = number
  end
end
return found
`);

/** Asks all slots, and answers those where something else than 0 was said. */
export async function askAllSlots(
  context: SlotsContext,
  question: SlotQuestion,
): Promise<readonly (readonly [own: Layout, answer: number])[]> {
  const { client } = context;
  if (!(client instanceof ClusterClient)) throw new Error('A single server has no slots.');
  const nodes = client.parts();
  if (nodes.reduce((sum, { slots }) => sum + slots.length, 0) === SLOTS) {
    try {
      const answers = await Promise.all(nodes.map((node) => askNode(node, question, context)));
      return answers.flat();
    } catch {
      // A slot moves, or the server lets no script into several slots. What is wrong beside that shows below.
    }
  }
  return askEach(question, context);
}

type Said = readonly (readonly [own: Layout, answer: number])[];

/** A script that goes through the slots of its node takes a hundredth of what as many commands take. */
async function askNode(
  { redis, slots }: ClusterNode,
  { command, keys }: SlotQuestion,
  { layout: { cluster } }: SlotsContext,
): Promise<Said> {
  const layouts = slots.flatMap((slot) => cluster?.of(slot) ?? []);
  const names = layouts.map(keys);
  const each = names[0]?.length ?? 1;
  const found = (await redis.call('EVAL', ASK.lua, 0, command, each, ...names.flat())) as readonly number[];
  return found.flatMap((index, place) => {
    const own = place % 2 === 0 ? layouts[index] : undefined;
    return own === undefined ? [] : [[own, found[place + 1] ?? 0] as const];
  });
}

async function askEach({ command, keys }: SlotQuestion, { client, layout }: SlotsContext): Promise<Said> {
  const found: (readonly [Layout, number])[] = [];
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
  for (const some of chunked(slots, SLOTS_AT_ONCE)) {
    const layouts = some.flatMap((slot) => layout.cluster?.of(slot) ?? []);
    const answers = await pipelined(
      client,
      layouts.map((own) => [command, ...keys(own)] as const),
    );
    for (const [index, own] of layouts.entries()) {
      const answer = Number(answers[index]);
      if (answer !== 0) found.push([own, answer]);
    }
  }
  return found;
}
