import { ChangeoverError } from '../../../core/errors.ts';
import { chunked, forEachLimited } from '../../../core/sequence.ts';
import type { EntityOf } from '../../../schemas/change.ts';
import { type IdentityOf, keyOf } from '../../../schemas/keys.ts';
import { READ_ENTITIES } from '../apply/entity-scripts.ts';
import type { RedisClient } from '../client/client.ts';
import { type Address, addressOf, byLayout, type Layout, type PlacedKind, whereIs } from '../layout.ts';
import type { UnknownFields } from '../options.ts';
import { type Content, entityFrom, MAX_VALUE_BYTES } from '../rows.ts';
import { type HeldVersion, parseHeldVersion } from '../versions.ts';
import { MAX_AGENT_FIELDS } from './agent-hash.ts';

/** What was found of one item. */
export interface ReadItem<E> {
  /** Undefined where the versions hash says nothing of it. */
  readonly held: HeldVersion | undefined;
  /** Null where there is none. */
  readonly entity: E | null;
  /** Why what is there is no entity that could be moved. */
  readonly fault?: { readonly where: string; readonly reason: string };
  /** About how many bytes it takes. */
  readonly bytes: number;
}

/** Where and how to read. */
export interface ReadContext {
  readonly client: RedisClient;
  readonly layout: Layout;
  readonly unknownFields: UnknownFields;
}

/** Items that one script reads at most, and bytes after which it reads no more: it holds up everybody else. */
const ITEMS_PER_CALL = 200;
export const BYTES_PER_CALL = 2 * 1024 * 1024;
export const CALLS_AT_ONCE = 4;

/**
 * Reads items in chunks, each of one layout, some calls at once; `readSome` answers for as many of its items as it got to,
 * at least one.
 */
export async function readAll<I, R>(
  groups: readonly (readonly [layout: Layout, items: readonly I[]])[],
  itemsPerCall: number,
  readSome: (items: readonly I[], layout: Layout) => Promise<readonly R[]>,
): Promise<ReadonlyMap<I, R>> {
  const chunks = groups.flatMap(([layout, items]) =>
    [...chunked(items, itemsPerCall)].map((chunk) => ({ layout, chunk })),
  );
  const all = new Map<I, R>();
  await forEachLimited(chunks, CALLS_AT_ONCE, async ({ layout, chunk }) => {
    for (let done = 0; done < chunk.length; ) {
      const some = await readSome(chunk.slice(done), layout);
      if (some.length === 0) throw new Error('A read answered for none of its items.');
      for (const [index, read] of some.entries()) all.set(chunk[done + index] as I, read);
      done += some.length;
    }
  });
  return all;
}

type Reply = [version: Buffer | null, found: Buffer, content: Content | number | null];

/** Version and content of each identity, both of one moment. */
export async function readEntities<K extends PlacedKind>(
  kind: K,
  identities: readonly IdentityOf[K][],
  context: ReadContext,
): Promise<readonly ReadItem<EntityOf[K]>[]> {
  const { client, layout } = context;
  const items = identities.map((identity) => ({ identity, address: addressOf(kind, identity, layout) }));
  const groups = byLayout(items, ({ address }) => address.key, layout);
  const all = await readAll(groups, ITEMS_PER_CALL, async (some, own) => {
    const limits = [MAX_AGENT_FIELDS, MAX_VALUE_BYTES, BYTES_PER_CALL].map(String);
    const replies = (await client.run(
      READ_ENTITIES,
      [own.versionsKey(kind), ...some.map(({ address }) => address.key)],
      [
        ...limits,
        ...some.flatMap(({ identity, address }) => [keyOf(kind, identity), address.shape, address.field]),
      ],
    )) as Reply[];
    return some.slice(0, replies.length).map(({ identity, address }, index) => {
      const [version, found, content] = replies[index] as Reply;
      const held = heldIn(version, own.versionsKey(kind), context);
      const entity = entityIn(kind, identity, address, found.toString(), content, context.unknownFields);
      const bytes = sizeOf(content);
      if (typeof entity !== 'string') return { held, entity, bytes };
      return { held, entity: null, bytes, fault: { where: whereIs(address), reason: entity } };
    });
  });
  return items.map((item) => all.get(item) as ReadItem<EntityOf[K]>);
}

function entityIn<K extends PlacedKind>(
  kind: K,
  identity: IdentityOf[K],
  { shape }: Address,
  found: string,
  content: Content | number | null,
  unknownFields: UnknownFields,
): EntityOf[K] | string | null {
  if (found === 'none') return null;
  if (found === 'large') {
    return shape === 'hash'
      ? `has ${content} fields, more than ${MAX_AGENT_FIELDS}`
      : `has ${content} bytes, more than ${MAX_VALUE_BYTES}`;
  }
  if (found !== 'content') return `holds a ${found}, not a ${shape === 'string' ? 'string' : 'hash'}`;
  return entityFrom(kind, identity, content as Content, unknownFields);
}

function sizeOf(content: Content | number | null): number {
  if (content === null || typeof content === 'number') return 0;
  return Buffer.isBuffer(content) ? content.length : content.reduce((sum, bytes) => sum + bytes.length, 0);
}

/** Reads what the versions hash says; throws `mismatch` where that is not ours. */
export function heldIn(
  version: Buffer | null,
  key: string,
  { client }: Pick<ReadContext, 'client'>,
): HeldVersion | undefined {
  if (version === null) return undefined;
  const text = version.toString();
  const held = parseHeldVersion(text);
  if (held !== undefined) return held;
  throw new ChangeoverError('mismatch', `Redis at ${client.where} holds ${JSON.stringify(text)} in ${key}.`, {
    hint: 'Give bookkeepingPrefix a beginning that nothing else uses.',
  });
}
