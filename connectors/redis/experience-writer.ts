import type { Logger } from '../../core/logger.ts';
import { chunked, forEachLimited } from '../../core/sequence.ts';
import type { Change, Experience } from '../../schemas/change.ts';
import { APPLIED, type Outcome, rejected, STALE } from '../connector.ts';
import type { RedisClient } from './client.ts';
import { CHANGES_PER_CALL, greatestVersion } from './entity-writer.ts';
import { ELEMENTS_PER_CALL } from './experience-reader.ts';
import { APPLY_EXPERIENCES, LIST_EXPERIENCES } from './experience-scripts.ts';
import { experienceToJson } from './json-values.ts';
import { keyFor } from './key-patterns.ts';
import { idsOf } from './key-scan.ts';
import { type Layout, quote } from './layout.ts';
import { MAX_VALUE_BYTES } from './rows.ts';

interface WriteContext {
  readonly client: RedisClient;
  readonly layout: Layout;
  readonly logger: Logger;
}

const CALLS_AT_ONCE = 4;
/** Elements that one script enters into the versions hash. */
const ELEMENTS_PER_PAGE = 500;

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
  context: WriteContext,
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
  { client, layout }: WriteContext,
): Promise<readonly Blocked[]> {
  const blocked: Blocked[] = [];
  const { prefix, suffix } = layout.patterns.experiences;
  const keys = [layout.versionsKey('experience'), layout.clockKey, layout.listedKey];
  await forEachLimited([...chunked(writes, CHANGES_PER_CALL)], CALLS_AT_ONCE, async (chunk) => {
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

/** Enters a list into the versions hash, from its end, where an application adds, to its start. */
async function listExperiences(agentId: string, { client, layout }: WriteContext): Promise<void> {
  const keys = [layout.versionsKey('experience'), keyFor(layout.patterns.experiences, agentId)];
  for (let last = -1; ; last -= ELEMENTS_PER_PAGE) {
    const first = last - ELEMENTS_PER_PAGE + 1;
    const elements = await client.run(LIST_EXPERIENCES, keys, [agentId, String(first), String(last)]);
    if (Number(elements) < ELEMENTS_PER_PAGE) break;
  }
  await client.call((redis) => redis.sadd(layout.listedKey, agentId));
}

async function listEverything(context: WriteContext): Promise<void> {
  const { client, layout, logger } = context;
  logger.info({ where: client.where }, 'noting where every experience stands: once, before the first delete');
  for await (const { id, fault } of idsOf(client, layout.patterns.experiences)) {
    const key = keyFor(layout.patterns.experiences, id);
    const isList = fault === undefined && (await client.call((redis) => redis.type(key))) === 'list';
    if (isList) await listExperiences(id, context);
  }
  // No agent has an empty id.
  await client.call((redis) => redis.sadd(layout.listedKey, ''));
}
