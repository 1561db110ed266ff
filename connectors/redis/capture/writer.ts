import { chunked, forEachLimited } from '../../../core/sequence.ts';
import type { Capture, WriteResult } from '../../capture.ts';
import { fullOutbox } from '../../outbox-errors.ts';
import { foreignKindFault, writeFault } from '../../write-fault.ts';
import type { Script } from '../client/script.ts';
import { isFullOutbox } from '../errors.ts';
import { fenceOf, type Layout, quote } from '../layout.ts';
import { ELEMENTS_PER_CALL } from '../read/experience-reader.ts';
import { listEverything, listExperiences } from '../read/listing.ts';
import type { CaptureContext } from './context.ts';
import { argumentsOf, type PlacedWrite, placedOf, placeFault } from './placed-write.ts';
import { homesIn, type WriteHomes } from './write-homes.ts';
import { writeScript } from './write-script.ts';

const WRITES_PER_CALL = 200;
/** Slots of a cluster that a batch writes to at once. */
const SLOTS_AT_ONCE = 8;

const NOWHERE =
  'no list holds it, and in a Redis Cluster only the delete of an experience that has been captured before can be in order with its other changes';

type Reply = readonly [status: Buffer, detail: Buffer];

/**
 * `write` of capture. A batch goes in calls, one after the other, so writes of one key keep their order. Whether the
 * outbox has room is asked once, before the first: a batch that was let in is written as a whole.
 */
export function createWriter(context: CaptureContext): Capture['write'] {
  const { layout, kinds, outbox, settings, store } = context;
  const runScript = writeScript({ layout, outbox });
  return async (writes, path = 'shim') => {
    const results: (WriteResult | undefined)[] = new Array(writes.length);
    const sound: PlacedWrite[] = [];
    for (const [index, write] of writes.entries()) {
      const fault =
        foreignKindFault(write.kind, kinds, store) ??
        writeFault(write, settings, { path, store }) ??
        placeFault(write);
      if (fault === undefined) sound.push(placedOf(index, write, context));
      else results[index] = { status: 'rejected', reason: fault };
    }
    const call: Call = { context, runScript, origin: `${path} ${settings.writer}`, results };
    const { homes, homeless } = await homesIn(sound, context);
    for (const { index } of homeless) results[index] = { status: 'rejected', reason: NOWHERE };
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

async function writeTo(homes: WriteHomes['homes'], isLetIn: boolean, call: Call): Promise<void> {
  await forEachLimited(homes, SLOTS_AT_ONCE, ([own, writes]) => writeInOrder(writes, own, isLetIn, call));
}

async function writeInOrder(
  writes: readonly PlacedWrite[],
  own: Layout,
  isLetIn: boolean,
  call: Call,
): Promise<void> {
  const { context, runScript, origin, results } = call;
  let letIn = isLetIn ? '1' : '0';
  for (const chunk of chunked(writes, WRITES_PER_CALL)) {
    for (let done = 0; done < chunk.length; ) {
      const rest = chunk.slice(done);
      const args = [origin, letIn, String(ELEMENTS_PER_CALL), ...rest.flatMap(argumentsOf)];
      const replies = (await context.client.runOnce(runScript, fenceOf(own), args).catch((error: unknown) => {
        throw isFullOutbox(error) ? fullOutbox(context.store, context.outbox.maxEntries) : error;
      })) as readonly Reply[];
      letIn = '1';
      const written = await settle(rest, replies, results, context);
      if (written === 0 && replies.length === 0) throw new Error('Redis answered for none of the writes.');
      done += written;
    }
  }
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
  writes: readonly PlacedWrite[],
  replies: readonly Reply[],
  results: (WriteResult | undefined)[],
  context: CaptureContext,
): Promise<number> {
  for (const [number, [status, detail]] of replies.entries()) {
    const { index, agentId, key } = writes[number] as PlacedWrite;
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
