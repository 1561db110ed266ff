import { createCodec } from '../../schemas/codec.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Random } from '../../society/generator/random.ts';
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

/** Puts records of every kind into the log once more. Whoever gets them has them already, or newer, and has to say so. */
export async function copyRecords(
  { meddler, counts, followers }: World,
  { pick, is, what }: Copying,
): Promise<AskForProof> {
  const before = await counts.read();
  const copied = new Map<Kind, number>();
  let struck = 0;
  for (const kind of ALL_KINDS) {
    const copies = await meddler.again(kind, (stored, random) => {
      const picked = pick(decodeAll(kind, stored), random);
      struck += picked.filter(is).length;
      return picked.map((each) => each.stored);
    });
    copied.set(kind, copies);
  }
  return async () => {
    const told = Proof.counted(struck, what);
    const stale: Proof[] = [];
    for (const [store, kinds] of followers) {
      const expected = kinds.reduce((sum, kind) => sum + (copied.get(kind) ?? 0), 0);
      const increase = await counts.increase(before, 'stale', store, expected);
      stale.push(Proof.counted(increase, `stale for ${store}`, expected));
    }
    return Proof.all(told, ...stale);
  };
}
