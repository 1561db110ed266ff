import { forEachLimited } from '../../../core/sequence.ts';
import type { Change } from '../../../schemas/change.ts';
import { parseKey } from '../../../schemas/keys.ts';
import { APPLIED, type Outcome, rejected, STALE } from '../../connector.ts';
import type { RedisClient } from '../client/client.ts';
import { type Address, addressOf, byLayout, type Layout, type PlacedKind, whereIs } from '../layout.ts';
import { MAX_AGENT_FIELDS } from '../read/agent-hash.ts';
import { contentOf, MAX_VALUE_BYTES } from '../rows.ts';
import { APPLY_ENTITIES } from './entity-scripts.ts';

/** Changes and characters that one script takes at most: it holds up everybody else. */
export const CHANGES_PER_CALL = 200;
const CHARACTERS_PER_CALL = 1024 * 1024;
const CALLS_AT_ONCE = 4;

interface Write {
  readonly change: Change;
  readonly address: Address;
  readonly parts: readonly string[];
  readonly characters: number;
}

/** Applies changes of one kind, each key once, and notes what became of each. */
export async function writeEntities(
  kind: PlacedKind,
  changes: readonly Change[],
  outcomes: Map<Change, Outcome>,
  { client, layout }: { readonly client: RedisClient; readonly layout: Layout },
): Promise<void> {
  const writes: Write[] = [];
  for (const change of changes) {
    const write = writeOf(kind, change, layout);
    if (typeof write === 'string') outcomes.set(change, rejected(write));
    else writes.push(write);
  }
  const groups = byLayout(writes, ({ address }) => address.key, layout);
  const calls = groups.flatMap(([own, some]) => [...callsOf(some)].map((call) => ({ own, call })));
  await forEachLimited(calls, CALLS_AT_ONCE, async ({ own, call }) => {
    const answers = (await client.run(
      APPLY_ENTITIES,
      [own.versionsKey(kind), own.clockKey, ...call.map(({ address }) => address.key)],
      [greatestVersion(call.map(({ change }) => change)), ...call.flatMap(argumentsOf)],
    )) as Buffer[];
    for (const [index, write] of call.entries()) outcomes.set(write.change, outcomeOf(answers[index], write));
  });
}

function writeOf(kind: PlacedKind, change: Change, layout: Layout): Write | string {
  const address = addressOf(kind, parseKey(kind, change.key), layout);
  const content = change.after === null ? [] : contentOf(kind, change.after as never);
  if (address.shape === 'hash' && content.length > 2 * MAX_AGENT_FIELDS) {
    return `has ${content.length / 2} fields, more than ${MAX_AGENT_FIELDS}`;
  }
  const characters = content.reduce((sum, text) => sum + text.length, 0);
  if (address.shape !== 'hash' && Buffer.byteLength(content[0] ?? '') > MAX_VALUE_BYTES) {
    return `its JSON is longer than ${MAX_VALUE_BYTES} bytes`;
  }
  return {
    change,
    address,
    parts: address.shape === 'field' ? [address.field, ...content] : content,
    characters,
  };
}

function* callsOf(writes: readonly Write[]): Generator<readonly Write[]> {
  let call: Write[] = [];
  let characters = 0;
  for (const write of writes) {
    if (
      call.length >= CHANGES_PER_CALL ||
      (call.length > 0 && characters + write.characters > CHARACTERS_PER_CALL)
    ) {
      yield call;
      [call, characters] = [[], 0];
    }
    call.push(write);
    characters += write.characters;
  }
  if (call.length > 0) yield call;
}

function argumentsOf({ change, address, parts }: Write): readonly string[] {
  return [change.key, String(change.version), address.shape, String(parts.length), ...parts];
}

export function greatestVersion(changes: readonly Change[]): string {
  return String(changes.reduce((greatest, { version }) => Math.max(greatest, version), 0));
}

function outcomeOf(answer: Buffer | undefined, { address }: Write): Outcome {
  const text = answer?.toString();
  switch (text) {
    case undefined:
      throw new Error('Redis answered for fewer changes than it was given.');
    case 'applied':
      return APPLIED;
    case 'stale':
      return STALE;
    default:
      return rejected(`${whereIs({ ...address, shape: 'hash' })} holds a ${text} of somebody else`);
  }
}
