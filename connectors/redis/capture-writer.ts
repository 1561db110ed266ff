import { chunked, forEachLimited } from '../../core/sequence.ts';
import type { EntityOf, Experience } from '../../schemas/change.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Capture, EntityWrite, WriteResult } from '../capture.ts';
import { writeFault } from '../write-fault.ts';
import { MAX_AGENT_FIELDS } from './agent-hash.ts';
import type { CaptureContext } from './capture-context.ts';
import { writeScript } from './capture-write-script.ts';
import { homeOfUnknown, homesOf } from './experience-homes.ts';
import { ELEMENTS_PER_CALL } from './experience-reader.ts';
import { experienceToJson } from './json-values.ts';
import { keyFor } from './key-patterns.ts';
import { addressOf, fenceOf, type Layout, type PlacedKind, quote } from './layout.ts';
import { listEverything, listExperiences } from './listing.ts';
import type { KeyCode } from './mapped-keys.ts';
import { contentOf, MAX_VALUE_BYTES } from './rows.ts';
import type { Script } from './script.ts';
import { fullOutbox } from './shim-errors.ts';

const WRITES_PER_CALL = 200;
/** Slots of a cluster that a batch writes to at once. */
const SLOTS_AT_ONCE = 8;

/** A write as the script takes it. */
interface Placed {
  readonly index: number;
  readonly code: KeyCode;
  readonly id: string;
  readonly key: string;
  readonly agentId: string;
  readonly eventId: string;
  readonly at: string;
  readonly parts: readonly string[];
}

type Reply = readonly [status: Buffer, detail: Buffer];

/**
 * `write` of capture. A batch goes in calls, one after the other, so writes of one key keep their order. Whether the
 * outbox has room is asked once, before the first: a batch that was let in is written as a whole.
 */
export function createWriter(context: CaptureContext): Capture['write'] {
  const { layout, outbox, settings, store } = context;
  const runScript = writeScript({ layout, outbox });
  return async (writes, path = 'shim') => {
    const results: (WriteResult | undefined)[] = new Array(writes.length);
    const sound: Placed[] = [];
    for (const [index, write] of writes.entries()) {
      const fault = writeFault(write, settings, { path, store }) ?? placeFault(write);
      if (fault === undefined) sound.push(placedOf(index, write, context));
      else results[index] = { status: 'rejected', reason: fault };
    }
    const call: Call = { context, runScript, origin: `${path} ${settings.writer}`, results };
    const homes = await homesIn(sound, context);
    // What goes to several outboxes is asked for first, so that none is written where one of them is full.
    const isAsked = homes.length > 1 && outbox.whenFull === 'refuse';
    if (isAsked)
      await refuseFull(
        homes.map(([own]) => own),
        context,
      );
    await writeTo(homes, isAsked, call);
    return results.map((result) => {
      if (result === undefined) throw new Error('Redis answered for fewer writes than it was given.');
      return result;
    });
  };
}

interface Call {
  readonly context: CaptureContext;
  readonly runScript: Script;
  /** Path and writer. */
  readonly origin: string;
  readonly results: (WriteResult | undefined)[];
}

type Homes = readonly (readonly [own: Layout, writes: readonly Placed[]])[];

async function writeTo(homes: Homes, isLetIn: boolean, call: Call): Promise<void> {
  await forEachLimited(homes, SLOTS_AT_ONCE, ([own, writes]) => writeInOrder(writes, own, isLetIn, call));
}

async function writeInOrder(
  writes: readonly Placed[],
  own: Layout,
  isLetIn: boolean,
  call: Call,
): Promise<void> {
  const { context, runScript, origin, results } = call;
  let letIn = isLetIn ? '1' : '0';
  let made = 0;
  for (const chunk of chunked(writes, WRITES_PER_CALL)) {
    for (let done = 0; done < chunk.length; ) {
      const rest = chunk.slice(done);
      const args = [origin, letIn, String(ELEMENTS_PER_CALL), ...rest.flatMap(argumentsOf)];
      const replies = (await context.client.runOnce(runScript, fenceOf(own), args)) as readonly Reply[];
      letIn = '1';
      const written = await settle(rest, replies, results, context);
      if (written === 0 && replies.length === 0) throw new Error('Redis answered for none of the writes.');
      done += written;
      made += written;
      if (own.cluster === undefined || written === replies.length) continue;
      // Lists have been listed, and the ids in them are known now: the deletes may belong elsewhere.
      return writeTo(await homesIn(writes.slice(made), context), true, call);
    }
  }
}

/** The writes by where they go. A delete of an experience goes to where its id is known, or has been put just before. */
async function homesIn(writes: readonly Placed[], context: CaptureContext): Promise<Homes> {
  const { layout } = context;
  if (layout.cluster === undefined) return writes.length === 0 ? [] : [[layout, writes]];
  const isLoose = ({ code, parts }: Placed) => code === 'experience' && parts.length === 0;
  const known = await homesOf([...new Set(writes.filter(isLoose).map(({ id }) => id))], context);
  const put = new Map<string, Layout>();
  const groups = Map.groupBy(writes, (write) => {
    if (isLoose(write)) return put.get(write.id) ?? known.get(write.id) ?? homeOfUnknown(layout);
    const own = layout.at(write.key);
    if (write.code === 'experience') put.set(write.id, own);
    return own;
  });
  return [...groups];
}

async function refuseFull(
  layouts: readonly Layout[],
  { client, outbox, store }: Pick<CaptureContext, 'client' | 'outbox' | 'store'>,
): Promise<void> {
  await client.batch(
    layouts.map((own) => ['xlen', own.outboxKey] as const),
    ([error, entries]) => {
      if (error !== null) throw error;
      if (Number(entries) < outbox.maxEntries) return;
      throw fullOutbox(store, String(entries));
    },
  );
}

/** Notes what became of each write; lists the experiences that stand in the way of the first that was not made. */
async function settle(
  writes: readonly Placed[],
  replies: readonly Reply[],
  results: (WriteResult | undefined)[],
  context: CaptureContext,
): Promise<number> {
  for (const [number, [status, detail]] of replies.entries()) {
    const { index, agentId, key } = writes[number] as Placed;
    const [said, about] = [status.toString(), detail.toString()];
    if (said === 'written' || said === 'repeated') {
      results[index] = { status: said, version: Number(about) };
    } else if (about === 'unlisted') {
      await listExperiences(agentId, context);
      return number;
    } else if (about === 'unlocated') {
      await listEverything(context);
      return number;
    } else {
      results[index] = {
        status: 'rejected',
        reason: `key ${quote(key)} holds a ${about} of somebody else`,
      };
    }
  }
  return replies.length;
}

/** What Redis, and not the log, would refuse. */
function placeFault({ kind, entity }: EntityWrite): string | undefined {
  if (entity === null || kind === 'relationship' || kind === 'embedding') return undefined;
  if (kind === 'agent') {
    const fields = Object.keys((entity as EntityOf['agent']).attributes).length + 3;
    return fields > MAX_AGENT_FIELDS ? `has ${fields} fields, more than ${MAX_AGENT_FIELDS}` : undefined;
  }
  const text =
    kind === 'experience' ? experienceToJson(entity as Experience) : contentOf(kind, entity as never)[0];
  return Buffer.byteLength(text ?? '') > MAX_VALUE_BYTES
    ? `its JSON is longer than ${MAX_VALUE_BYTES} bytes`
    : undefined;
}

function placedOf(index: number, write: EntityWrite, { kinds, layout }: CaptureContext): Placed {
  const kind = kinds.find((candidate) => candidate === write.kind);
  if (kind === undefined) throw new Error(`This store holds no ${write.kind}.`);
  const common = { index, id: write.key, eventId: write.eventId ?? '' };
  if (kind === 'experience') {
    const experience = write.entity as Experience | null;
    const agentId = experience?.agentId ?? '';
    return {
      ...common,
      code: 'experience',
      key: keyFor(layout.patterns.experiences, agentId),
      agentId,
      at: experience === null ? '' : String(experience.at),
      parts: experience === null ? [] : [experienceToJson(experience)],
    };
  }
  const identity = parseKey(kind, write.key);
  const { shape, key, field } = addressOf(kind, identity as never, layout);
  const content = write.entity === null ? [] : contentOf(kind, write.entity as never);
  return {
    ...common,
    code: codeOf(kind, shape === 'field'),
    key,
    agentId: 'agentId' in identity ? identity.agentId : identity.id,
    at: '',
    parts: shape === 'field' ? [field, ...content] : content,
  };
}

function codeOf(kind: PlacedKind, inField: boolean): KeyCode {
  switch (kind) {
    case 'agent':
      return 'agent';
    case 'q-value':
      return 'q';
    case 'policy':
      return inField ? 'named' : 'policy';
    default:
      return kind satisfies never;
  }
}

function argumentsOf({ code, id, key, agentId, eventId, at, parts }: Placed): readonly string[] {
  return [code, id, key, agentId, eventId, at, String(parts.length), ...parts];
}
