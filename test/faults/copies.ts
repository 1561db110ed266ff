import { createCodec } from '../../schemas/codec.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Random } from '../../society/generator/random.ts';
import { countedAtRest } from './at-rest.ts';
import type { AskForProof, World } from './fault.ts';
import { ALL_KINDS } from './log-meddler.ts';
import { Proof } from './proof.ts';
import type { Stored } from './read-topic.ts';

/** A record that is in the topic, and what is known of its key there. */
export interface Decoded {
  readonly stored: Stored;
  readonly key: string;
  readonly version: number;
  readonly isDelete: boolean;
  /** Something newer of its key is in the topic. */
  readonly isOld: boolean;
  /** The newest of its key is a delete. */
  readonly isDead: boolean;
}

export function decodeAll(kind: Kind, stored: readonly Stored[]): readonly Decoded[] {
  const codec = createCodec();
  const changes = stored.map((each) => ({
    stored: each,
    change: codec.decode(kind, each.key.toString(), each.value),
  }));
  const newest = new Map<string, { readonly version: number; readonly isDelete: boolean }>();
  for (const { change } of changes)
    if (change.version > (newest.get(change.key)?.version ?? 0))
      newest.set(change.key, { version: change.version, isDelete: change.after === null });
  return changes.map(({ stored: each, change: { key, version, after } }) => ({
    stored: each,
    key,
    version,
    isDelete: after === null,
    isOld: version < (newest.get(key)?.version ?? 0),
    isDead: newest.get(key)?.isDelete ?? false,
  }));
}

export interface Copying {
  /** What is put into the log once more. */
  readonly pick: (records: readonly Decoded[], random: Random) => readonly Decoded[];
  /** Which of these are what the fault is about, and what they are. */
  readonly is: (record: Decoded) => boolean;
  readonly what: string;
}

/**
 * Puts records of every kind into the log once more: among what else is under way, and then when nothing else comes to the followers, so
 * that it can be counted. Whoever gets them has them already, or newer, and has to say so.
 */
export async function copyRecords(world: World, copying: Copying): Promise<AskForProof> {
  let struck = (await putOnce(world, copying)).struck;
  const counted = await countedAtRest(world, async () => {
    const since = await world.counts.settled();
    const { struck: more, copies } = await putOnce(world, copying);
    struck += more;
    const records = Array.from(world.followers, ([store, kinds]) => {
      const all = kinds.reduce((sum, kind) => sum + (copies.get(kind) ?? 0), 0);
      return [store, { all, poison: 0 }] as const;
    });
    return { since, records: new Map(records) };
  });
  return () => Proof.all(Proof.counted(struck, copying.what), counted);
}

interface Copied {
  readonly copies: ReadonlyMap<Kind, number>;
  /** How many of them are what the fault is about. */
  readonly struck: number;
}

async function putOnce({ meddler }: World, { pick, is }: Copying): Promise<Copied> {
  const copies = new Map<Kind, number>();
  let struck = 0;
  for (const kind of ALL_KINDS) {
    const count = await meddler.again(kind, (stored, random) => {
      const picked = pick(decodeAll(kind, stored), random);
      struck += picked.filter(is).length;
      return picked.map((each) => each.stored);
    });
    copies.set(kind, count);
  }
  return { copies, struck };
}
