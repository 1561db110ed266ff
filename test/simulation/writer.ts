import { silentLogger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import type { ChangeWriter } from '../../producers/shim/change-writer.ts';
import { createLogWriter } from '../../producers/shim/log-writer.ts';
import type { ShimResult } from '../../producers/shim/route-writes.ts';
import { openShim, type Shim } from '../../producers/shim/shim.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { identify } from '../support/changes.ts';
import type { Places } from './actors.ts';
import { entityFor, keyFor } from './entities.ts';
import { contentOf, type History, MAX_CHANGE_BYTES, type Sort } from './history.ts';
import type { Life } from './life.ts';
import { ORIGIN_KINDS } from './origin.ts';
import type { Start } from './process.ts';
import { openCapture } from './sim-capture.ts';
import { viewOfLog } from './sim-log.ts';
import type { World } from './world.ts';

/** Given out to all writers, so that every content is of one write alone. */
export class Tokens {
  #last = 100;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}

/** What writers were told: by key the greatest version that was acknowledged. */
export class Acknowledged {
  readonly #greatest = new Map<string, number>();
  count = 0;

  greatest(id: string): number {
    return this.#greatest.get(id) ?? 0;
  }

  add(id: string, version: number): void {
    this.count += 1;
    this.#greatest.set(id, Math.max(version, this.greatest(id)));
  }
}

export interface WriterState {
  readonly tokens: Tokens;
  readonly acknowledged: Acknowledged;
  /** Writes that this writer has still to make, over all of its lives. */
  left: number;
}

interface Write {
  readonly kind: Kind;
  readonly index: number;
  readonly key: string;
  readonly content: string | null;
  readonly sort: Sort;
  readonly token: number;
}

const TRIES = 4;

/** An application that writes through the domain API, says a write again that was not confirmed, and believes what it was told. */
export async function writerProcess(
  { life, signal }: Start,
  { origin, history, log }: Places,
  state: WriterState,
): Promise<void> {
  const { world } = life;
  const capture: ChangeWriter = openCapture(origin, life, history);
  const publisher = await retry(() => viewOfLog({ log, life, history }).publisher(), {
    policy: { attempts: Number.POSITIVE_INFINITY },
    clock: life.clock,
  });
  const settings = { maxChangeBytes: MAX_CHANGE_BYTES, writer: life.name };
  const logWriter = createLogWriter({ publisher, settings, clock: life.clock });
  const shim = openShim({
    captures: new Map<Kind, ChangeWriter>([
      ...ORIGIN_KINDS.map((kind) => [kind, capture] as const),
      ['policy', logWriter],
    ]),
    onFailure: 'log',
    logger: silentLogger,
  });
  while (state.left > 0 && !signal.aborted) {
    state.left -= 1;
    await life.clock.sleep(world.random.delayMs(world.plan.writeEveryMs), signal);
    await say(nextWrite(world, state), shim, life, history, state.acknowledged);
  }
}

function nextWrite({ random, plan }: World, { tokens }: WriterState): Write {
  const kind = random.pick(plan.kinds);
  const index = random.between(0, plan.keysPerKind - 1);
  const token = tokens.next();
  const unsound = kind !== 'q-value' && random.chance(plan.faults.poison);
  const sorts = kind === 'policy' ? (['poison'] as const) : (['poison', 'oversized'] as const);
  const sort = unsound ? random.pick(sorts) : 'sound';
  const gone = random.chance(0.25);
  const content = gone ? null : contentOf(entityFor(kind, index, token, sort) as EntityOf['agent']);
  return { kind, index, key: keyFor(kind, index), content, sort: gone ? 'sound' : sort, token };
}

async function say(
  write: Write,
  shim: Shim,
  life: Life,
  history: History,
  acknowledged: Acknowledged,
): Promise<void> {
  const id = identify(write);
  const eventId = `${life.name} ${write.token}`;
  const atLeast = acknowledged.greatest(id);
  for (let tries = 0; tries < TRIES; tries++) {
    const result = await stated(shim, write, eventId);
    if (result.status === 'written' || result.status === 'repeated') {
      acknowledged.add(id, result.version);
      check(write, eventId, result.version, atLeast, life, history);
      return;
    }
    if (result.status === 'rejected') {
      life.world.violated('failed', `${life.name}: ${id} was rejected: ${result.reason}`);
      return;
    }
    await life.clock.sleep(50);
  }
}

/** What a writer is told is what the origin has committed, and it is newer than all that was acknowledged before it was asked for. */
function check(
  { kind, key, content }: Write,
  eventId: string,
  version: number,
  atLeast: number,
  { world, name }: Life,
  history: History,
): void {
  const committed = history.of(identify({ kind, key })).find((each) => each.version === version);
  const what = `${name}: ${kind} ${key} version ${version}`;
  if (committed?.eventId !== eventId || committed.content !== content) {
    world.violated(
      'invented',
      `${what} was acknowledged, and the origin has committed ${JSON.stringify(committed)}`,
    );
  }
  if (version <= atLeast)
    world.violated('disordered', `${what} was asked for when ${atLeast} had been acknowledged`);
}

function stated(
  shim: Shim,
  { kind, index, key, content, sort, token }: Write,
  eventId: string,
): Promise<ShimResult> {
  const options = { eventId };
  const entity = <K extends Kind>(of: K): EntityOf[K] => entityFor(of, index, token, sort);
  const gone = content === null;
  switch (kind) {
    case 'agent':
      return gone ? shim.deleteAgent(key, options) : shim.upsertAgent(entity('agent'), options);
    case 'relationship':
      return gone
        ? shim.unrelate(parseKey('relationship', key), options)
        : shim.relate(entity('relationship'), options);
    case 'embedding':
      return gone ? shim.deleteEmbedding(key, options) : shim.putEmbedding(entity('embedding'), options);
    case 'policy':
      return gone ? shim.deletePolicy({ agentId: key }, options) : shim.putPolicy(entity('policy'), options);
    default:
      return gone
        ? shim.deleteQValue(parseKey('q-value', key), options)
        : shim.putQValue(entity('q-value'), options);
  }
}
