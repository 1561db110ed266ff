import { type Kind, topicOf } from '../../schemas/kinds.ts';
import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import { identify } from '../support/changes.ts';
import { testCodec } from '../support/memory-log.ts';
import type { Follower } from './follower.ts';
import { contentOf, type History } from './history.ts';
import { PREFIX } from './names.ts';
import { LOG_KINDS, ORIGIN_KINDS, type Origin } from './origin.ts';
import type { SimLog } from './sim-log.ts';
import type { World } from './world.ts';

export interface OracleOptions {
  readonly world: World;
  readonly history: History;
  readonly log: SimLog;
  readonly origin: Origin;
  readonly followers: readonly Follower[];
}

/**
 * What must be so when nothing goes wrong any more and everything has come to rest. It knows what the origin has committed, and that a
 * greater version wins; nothing of how it came to the stores.
 */
export function judge(options: OracleOptions): void {
  judgeLog(options);
  for (const follower of options.followers) judgeFollower(follower, options);
}

/** Every committed write is in the log as it was committed, and the first time in the order of its key's versions (but where several processes write to the log itself). */
function judgeLog({ world, history, log, origin }: OracleOptions): void {
  const setAside = new Set(
    origin.outbox.setAside.flatMap(({ item }) => ('entry' in item ? [item.entry.change.eventId] : [])),
  );
  const seen = new Map<string, Set<number>>();
  for (const kind of LOG_KINDS) {
    for (const partition of log.broker.topics.get(topicOf(PREFIX, kind)) ?? []) {
      for (const { key, value } of partition) {
        const change = decoded(kind, key.toString(), value);
        if (change === undefined || change.op === 'r') continue;
        const id = identify(change);
        const what = `the log says of ${id}, version ${change.version}`;
        const versions = seen.get(id) ?? new Set();
        seen.set(id, versions);
        const committed = history.of(id).find(({ version }) => version === change.version);
        if (committed === undefined || committed.content !== contentOf(change.after))
          world.violated('invented', `${what}, what was never committed`);
        const ordered = ORIGIN_KINDS.includes(kind);
        if (
          ordered &&
          !versions.has(change.version) &&
          [...versions].some((version) => version > change.version)
        )
          world.violated('disordered', `${what} after it had said something newer`);
        versions.add(change.version);
      }
    }
  }
  for (const { kind, key, version, eventId, sort } of history.all()) {
    if (seen.get(identify({ kind, key }))?.has(version)) continue;
    if (sort === 'oversized' && setAside.has(eventId)) continue;
    world.violated('lost', `${kind} ${key} version ${version} is not in the log`);
  }
}

function decoded(kind: Kind, key: string, value: Buffer) {
  try {
    return testCodec.decode(kind, key, value);
  } catch {
    return undefined;
  }
}

/** A follower holds the fold of what the origin has committed, but for what no store takes. */
function judgeFollower(follower: Follower, { world, history }: OracleOptions): void {
  const known = new Set(history.ids());
  for (const id of follower.ids()) {
    if (!known.has(id)) world.violated('invented', `${follower.name} holds ${id}, which nobody wrote`);
  }
  for (const id of known) {
    if (!follower.kinds.some((kind) => id.startsWith(`${kind}:`))) continue;
    const held = follower.held(id);
    const newest = history.newestSound(id);
    const is = held === undefined ? 'nothing' : `version ${held.version}, ${held.content}`;
    if (newest !== undefined) {
      if (held?.version === newest.version && held.content === newest.content) continue;
      const should = `version ${newest.version}, ${newest.content}`;
      const name = newest.content === null && held?.content ? 'resurrected' : 'lost';
      world.violated(name, `${follower.name} holds of ${id}: ${is}; it should hold: ${should}`);
      continue;
    }
    const initial = history.initial.get(id);
    // All that was captured of it is what no store takes: then a backfill may have found that in place of the first state.
    if (held === undefined && history.of(id).length > 0) continue;
    if (initial === undefined && held === undefined) continue;
    if (held !== undefined && held.content === initial && held.version < FIRST_CAPTURED_VERSION) continue;
    world.violated(
      'lost',
      `${follower.name} holds of ${id}: ${is}; it should hold the first state: ${initial}`,
    );
  }
}
