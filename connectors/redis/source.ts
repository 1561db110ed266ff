import type { Clock } from '../../core/clock.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { type IdentityOf, keyOf, type ScanKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { rangesBetween, type ScanRange } from '../../schemas/scan-order.ts';
import type { Held } from '../../schemas/version.ts';
import type { RejectedItem, ScanChunk, ScanOptions, Source, SourceRow } from '../connector.ts';
import { abortable } from './client/abortable.ts';
import type { RedisKind } from './layout.ts';
import { countEntities } from './read/count.ts';
import { type ReadContext, type ReadItem, readEntities } from './read/entity-reader.ts';
import { enumerate } from './read/enumerate.ts';
import { Enumerations, type Lease } from './read/enumerations.ts';
import { readExperiences } from './read/experience-reader.ts';
import { getHeld } from './read/get-held.ts';
import type { Found } from './read/place-lines.ts';
import { versionOf } from './versions.ts';

interface SourceOptions extends ReadContext {
  readonly kinds: readonly RedisKind[];
  readonly clock: Clock;
}

/**
 * How long the ranges of a backfill share one enumeration: a pass over all keys every so often, and what came meanwhile
 * is met from then on.
 */
const ENUMERATION_MAX_AGE_MS = 10 * 60_000;
/** A chunk ends early when it holds so much. */
const MAX_CHUNK_BYTES = 16 * 1024 * 1024;
/** Items that are read before the size of the chunk is looked at. */
const ITEMS_PER_STEP = 400;

/**
 * Redis keeps no order, so a scan walks an enumeration of the kind's keys (enumerations.ts) and reads version and content
 * of each when it gets there. A scan of everything and `ranges` see the keys as they are now; the scan of a part uses the
 * newest enumeration that is not too old.
 */
export function openSource({ kinds, clock, ...context }: SourceOptions): Source {
  const enumerations = new Enumerations({
    enumerate: (kind) => enumerate(kind, context.client, context.layout),
    clock,
    maxAgeMs: ENUMERATION_MAX_AGE_MS,
  });
  const own = (kind: Kind): RedisKind => {
    const found = kinds.find((candidate) => candidate === kind);
    if (found === undefined) throw new Error(`This source holds no ${kind}.`);
    return found;
  };
  return {
    kinds,
    close: () => enumerations.close(),
    count: (kind) => countEntities(own(kind), context.client, context.layout),
    ranges: async (kind, parts) => {
      const lease = await enumerations.fresh(own(kind));
      try {
        return rangesBetween(lease.places.boundaries(parts));
      } finally {
        await lease.release();
      }
    },
    scan: <K extends Kind>(kind: K, range: ScanRange, options: ScanOptions) => {
      const isWhole = range.after === null && range.until === null;
      const lease = () => (isWhole ? enumerations.fresh(own(kind)) : enumerations.recent(own(kind)));
      return scan(own(kind), range, options, lease, context) as AsyncIterable<
        ScanChunk<never>
      > as AsyncIterable<ScanChunk<K>>;
    },
    get: async <K extends Kind>(kind: K, keys: readonly string[]) =>
      (await getHeld(own(kind), keys, context)) as readonly (Held<K> | undefined)[],
  };
}

type AnyItem = ReadItem<EntityOf[RedisKind]>;

async function* scan(
  kind: RedisKind,
  range: ScanRange,
  { limit, signal }: ScanOptions,
  leaseOf: () => Promise<Lease>,
  context: ReadContext,
): AsyncGenerator<ScanChunk<RedisKind>> {
  const leasing = leaseOf();
  const lease = await abortable(leasing, signal).catch((error: unknown) => {
    // The enumeration goes on to its end, and goes when nobody wants it.
    leasing.then((late) => late.release()).catch(() => undefined);
    throw error;
  });
  try {
    let chunk = new Chunk(kind);
    for await (const batch of lease.places.read(range)) {
      for (let start = 0; start < batch.length; ) {
        signal?.throwIfAborted();
        const step = batch.slice(start, start + Math.min(ITEMS_PER_STEP, limit - chunk.size));
        start += step.length;
        await chunk.read(step, context);
        if (chunk.size < limit && chunk.bytes < MAX_CHUNK_BYTES) continue;
        yield chunk.done();
        chunk = new Chunk(kind);
      }
    }
    if (chunk.size > 0) yield chunk.done();
  } finally {
    await lease.release();
  }
}

/** A chunk in the making. */
class Chunk {
  readonly #kind: RedisKind;
  readonly #rows: SourceRow<RedisKind>[] = [];
  readonly #rejected: RejectedItem[] = [];
  #last: ScanKey = [];
  /** Places that it covers, whatever was found there. */
  size = 0;
  bytes = 0;

  constructor(kind: RedisKind) {
    this.#kind = kind;
  }

  async read(step: readonly Found[], context: ReadContext): Promise<void> {
    const sound = step.filter(({ fault }) => fault === undefined);
    const items = await readPlaces(this.#kind, sound, context);
    let next = 0;
    for (const { place, fault } of step) {
      this.size++;
      this.#last = place;
      if (fault !== undefined) this.#rejected.push(fault);
      else this.#add(items[next++]);
    }
  }

  #add(item: AnyItem | undefined): void {
    if (item === undefined) return;
    this.bytes += item.bytes;
    if (item.fault !== undefined) this.#rejected.push(item.fault);
    // What has gone since it was enumerated is no row.
    if (item.entity === null) return;
    const key = keyOf(this.#kind, item.entity as never);
    this.#rows.push({ key, version: versionOf(item.held), entity: item.entity });
  }

  done(): ScanChunk<RedisKind> {
    return { rows: this.#rows, rejected: this.#rejected, last: this.#last };
  }
}

function readPlaces(
  kind: RedisKind,
  found: readonly Found[],
  context: ReadContext,
): Promise<readonly AnyItem[]> {
  if (kind !== 'experience')
    return readEntities(kind, found.map(({ place }) => identityAt(kind, place)) as never, context);
  const items = found.map(({ place: [agentId, id], hint }) => ({
    id: String(id),
    agentId: String(agentId),
    ...(hint !== undefined && { hint }),
  }));
  return readExperiences(items, context);
}

function identityAt(kind: Exclude<RedisKind, 'experience'>, [first, second, third]: ScanKey) {
  switch (kind) {
    case 'agent':
      return { id: String(first) } satisfies IdentityOf['agent'];
    case 'q-value':
      return {
        agentId: String(first),
        state: String(second),
        action: Number(third),
      } satisfies IdentityOf['q-value'];
    case 'policy':
      return { agentId: String(first), name: String(second) } satisfies IdentityOf['policy'];
    default:
      return kind satisfies never;
  }
}
