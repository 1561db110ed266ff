import { chunked, forEachLimited } from '../../../core/sequence.ts';
import type { Change, Experience } from '../../../schemas/change.ts';
import { APPLIED, type Outcome, rejected, STALE } from '../../connector.ts';
import { keyFor } from '../key-patterns.ts';
import { fenceOf, type Layout, quote } from '../layout.ts';
import { homeOfUnknown, homesOf } from '../read/experience-homes.ts';
import { ELEMENTS_PER_CALL } from '../read/experience-reader.ts';
import { experienceToJson } from '../read/json-values.ts';
import { type ListContext, listEverything, listExperiences } from '../read/listing.ts';
import { MAX_VALUE_BYTES } from '../rows.ts';
import { CHANGES_PER_CALL, greatestVersion } from './entity-writer.ts';
import { APPLY_EXPERIENCES } from './experience-scripts.ts';

const CALLS_AT_ONCE = 4;

interface Write {
  readonly change: Change;
  /** Of a delete only a guess, from the state before. */
  readonly agentId: string;
  readonly at: string;
  readonly text: string;
}

/**
 * Applies changes of experiences, each id once, and notes what became of each.
 *
 * Whether an id stands in a list already is for the versions hash to say. Of a list that a legacy application wrote it
 * says nothing until the list has been *listed*, which costs one pass and is done when the list is first written to; a
 * delete of an id that is nowhere known has every list listed, once for all.
 */
export async function writeExperiences(
  changes: readonly Change[],
  outcomes: Map<Change, Outcome>,
  context: ListContext,
): Promise<void> {
  let pending: readonly Write[] = changes.map(writeOf).filter((write) => {
    if (Buffer.byteLength(write.text) <= MAX_VALUE_BYTES) return true;
    outcomes.set(write.change, rejected(`its JSON is longer than ${MAX_VALUE_BYTES} bytes`));
    return false;
  });
  while (pending.length > 0) {
    const blocked = await offer(pending, outcomes, context);
    if (blocked.some(({ reason }) => reason === 'unlocated')) await listEverything(context);
    const unlisted = new Set(
      blocked.filter(({ reason }) => reason === 'unlisted').map(({ write }) => write.agentId),
    );
    for (const agentId of unlisted) await listExperiences(agentId, context);
    pending = blocked.map(({ write }) => write);
  }
}

function writeOf(change: Change): Write {
  const after = change.after as Experience | null;
  if (after !== null) {
    return { change, agentId: after.agentId, at: String(after.at), text: experienceToJson(after) };
  }
  return { change, agentId: (change.before as Experience | null)?.agentId ?? '', at: '', text: '' };
}

interface Blocked {
  readonly write: Write;
  readonly reason: 'unlisted' | 'unlocated';
}

/** Offers each write until it has an outcome or needs a list to be listed. */
async function offer(
  writes: readonly Write[],
  outcomes: Map<Change, Outcome>,
  { client, layout }: ListContext,
): Promise<readonly Blocked[]> {
  const blocked: Blocked[] = [];
  const { prefix, suffix } = layout.patterns.experiences;
  const calls = (await byHome(writes, { client, layout })).flatMap(([own, some]) =>
    [...chunked(some, CHANGES_PER_CALL)].map((chunk) => ({ own, chunk })),
  );
  await forEachLimited(calls, CALLS_AT_ONCE, async ({ own, chunk }) => {
    const keys = [
      ...[own.versionsKey('experience'), own.clockKey, own.listedKey],
      // The keys of lists are not announced, so in a cluster only these tell whether the slot is whole.
      ...fenceOf(own),
    ];
    for (let done = 0; done < chunk.length; ) {
      const rest = chunk.slice(done);
      const newest = greatestVersion(rest.map(({ change }) => change));
      const limits = [prefix, suffix, String(ELEMENTS_PER_CALL), newest];
      const answers = (await client.run(APPLY_EXPERIENCES, keys, [
        ...limits,
        ...rest.flatMap(argumentsOf),
      ])) as Buffer[];
      if (answers.length === 0) throw new Error('Redis answered for none of the changes it was given.');
      for (const [index, answer] of answers.entries()) {
        const write = rest[index] as Write;
        const settled = outcomeOf(answer.toString(), write, layout);
        if (typeof settled === 'string') blocked.push({ write, reason: settled });
        else outcomes.set(write.change, settled);
      }
      done += answers.length;
    }
  });
  return blocked;
}

/** In a cluster a delete goes to where its id is known, whatever its guess is. */
async function byHome(
  writes: readonly Write[],
  context: Pick<ListContext, 'client' | 'layout'>,
): Promise<readonly (readonly [layout: Layout, writes: readonly Write[]])[]> {
  const { layout } = context;
  if (layout.cluster === undefined) return writes.length === 0 ? [] : [[layout, writes]];
  const deleted = writes.filter(({ text }) => text === '').map(({ change }) => change.key);
  const homes = await homesOf(deleted, context);
  const groups = Map.groupBy(writes, ({ change, agentId, text }) =>
    text === ''
      ? (homes.get(change.key) ?? homeOfUnknown(layout))
      : layout.at(keyFor(layout.patterns.experiences, agentId)),
  );
  return [...groups].map(([own, some]) => [
    own,
    some.map((write) => (write.text === '' ? { ...write, agentId: '' } : write)),
  ]);
}

function argumentsOf({ change, agentId, at, text }: Write): readonly string[] {
  return [change.key, String(change.version), agentId, at, text];
}

function outcomeOf(answer: string, { agentId }: Write, { patterns }: Layout): Outcome | Blocked['reason'] {
  switch (answer) {
    case 'applied':
      return APPLIED;
    case 'stale':
      return STALE;
    case 'unlisted':
    case 'unlocated':
      return answer;
    default:
      return rejected(
        `key ${quote(keyFor(patterns.experiences, agentId))} holds a ${answer} of somebody else`,
      );
  }
}
