import type { EntityOf } from '../../../schemas/change.ts';
import type { Held } from '../../../schemas/version.ts';
import type { RejectedItem } from '../../connector.ts';
import { isFault, type RawAgent, type RowFault, readAgent, readMember, shortened } from '../rows.ts';
import type { AgentIndex, IndexEntry } from './agent-index.ts';
import type { Group } from './groups.ts';
import { tieKey } from './overlay.ts';
import type { Snapshot } from './snapshot.ts';
import { readTies } from './ties.ts';
import { tieOf, type VersionLine } from './versions-file.ts';

/** What a snapshot holds under one id, and what is there but cannot be moved. */
export interface AgentFound {
  readonly held: Held<'agent'> | undefined;
  readonly rejected: readonly RejectedItem[];
}

export interface TiesFound {
  /** By tieKey, tombstones too. */
  readonly held: ReadonlyMap<string, Held<'relationship'>>;
  readonly rejected: readonly RejectedItem[];
}

/** The journal's word counts, then the base's with the version that is kept for it, then a tombstone's. */
export function agentOf(snapshot: Snapshot, group: Group): AgentFound {
  const { id, lines } = group;
  const changed = snapshot.overlay.agents.get(id);
  if (changed !== undefined) return { held: changed, rejected: [] };
  const line = lines[0];
  const absent = line?.deleted === true ? { version: line.version, entity: null } : undefined;
  const { raw, rejected } = readBase(snapshot, group, '');
  if (raw === undefined) return { held: absent, rejected };
  const read = readAgent(id, raw);
  if (isFault(read)) return { held: absent, rejected: [...rejected, faultOf(snapshot, group, read)] };
  return { held: { version: line?.version ?? null, entity: read.agent }, rejected };
}

/**
 * The ties that start from an id. One that no captured write and no follower has touched is as the legacy application
 * left it, and is a fault when its other end is not there; one that has a version is held whatever became of its ends.
 */
export function tiesOf(snapshot: Snapshot, index: AgentIndex, group: Group): TiesFound {
  const held = new Map<string, Held<'relationship'>>();
  const versions = new Map<string, VersionLine>();
  for (const line of group.lines) {
    const [, , type, target] = line.place;
    const key = tieKey({ type: String(type), target: String(target) });
    versions.set(key, line);
    if (line.deleted) held.set(key, { version: line.version, entity: null });
  }
  const written = snapshot.overlay.rawOf(group.id);
  const { raw, rejected } =
    written === undefined
      ? readBase(snapshot, group, '; its friends are not read')
      : { raw: written, rejected: [] };
  const faults = new Faults();
  const changed = snapshot.overlay.ties.get(group.id);
  const add = (tie: EntityOf['relationship'], whereIs: () => string): void => {
    const key = tieKey(tie);
    const version = versions.get(key)?.version ?? null;
    const dangles = version === null && changed?.has(key) !== true && !snapshot.hasAgent(tie.target, index);
    if (dangles)
      faults.add(() => ({ where: whereIs(), reason: `agent ${quoted(tie.target)} does not exist` }));
    else held.set(key, { version, entity: tie });
  };
  for (const line of group.lines) {
    const tie = tieOf(line);
    if (tie !== undefined) add(tie, () => `${snapshot.base.path}.versions, ${quoted(line.place)}`);
  }
  if (raw !== undefined) {
    const { ties, faults: tieFaults } = readTies(group.id, raw);
    for (const { tie, path } of ties) add(tie, () => whereOf(snapshot, group.entries[0], path));
    for (const fault of tieFaults) faults.add(() => faultOf(snapshot, group, fault));
  }
  if (changed !== undefined) for (const [key, state] of changed) held.set(key, state);
  return { held, rejected: [...rejected, ...faults.named(whereOf(snapshot, group.entries[0]))] };
}

/** Of what is wrong with the ties of one agent. */
const MOST_FAULTS = 1000;

/** The first faults by name, the others by number, so that an agent of nothing else takes bounded room. */
class Faults {
  readonly #items: RejectedItem[] = [];
  #more = 0;

  add(fault: () => RejectedItem): void {
    if (this.#items.length < MOST_FAULTS) this.#items.push(fault());
    else this.#more++;
  }

  named(where: string): readonly RejectedItem[] {
    if (this.#more === 0) return this.#items;
    return [...this.#items, { where, reason: `and ${this.#more} more faults in its relationships` }];
  }
}

/** The first member of the id, where it is an object; whatever else stands in the base under the id is rejected. */
function readBase(
  snapshot: Snapshot,
  { id, entries, moreEntries, bytes }: Group,
  consequence: string,
): { readonly raw: RawAgent | undefined; readonly rejected: readonly RejectedItem[] } {
  const [first, ...others] = entries;
  if (first === undefined) return { raw: undefined, rejected: [] };
  const rejected = others.map((entry) => ({
    where: whereOf(snapshot, entry),
    reason:
      entry.reason ??
      `there is an agent of that id already in line ${first.line} (byte ${first.keyOffset}), which counts${consequence}`,
  }));
  if (moreEntries > 0) {
    const reason = `and ${moreEntries} more of that kind behind it${consequence}`;
    rejected.push({ where: whereOf(snapshot, others.at(-1)), reason });
  }
  const read: { readonly raw: RawAgent } | RowFault =
    first.reason !== undefined || bytes === undefined
      ? { path: '', reason: first.reason ?? 'unread' }
      : readMember(id, bytes);
  if (!isFault(read)) return { raw: read.raw, rejected };
  const item = { where: whereOf(snapshot, first, read.path), reason: `${read.reason}${consequence}` };
  return { raw: undefined, rejected: [item, ...rejected] };
}

function faultOf(snapshot: Snapshot, { entries }: Group, { path, reason }: RowFault): RejectedItem {
  return { where: whereOf(snapshot, entries[0], path), reason };
}

function whereOf(snapshot: Snapshot, entry: IndexEntry | undefined, path = ''): string {
  if (entry === undefined) return snapshot.base.path;
  const place = `${snapshot.base.path} line ${entry.line} (byte ${entry.keyOffset})`;
  if (entry.id === '') return place;
  return `${place}, agent ${quoted(entry.id)}${path === '' ? '' : `, ${path}`}`;
}

function quoted(value: unknown): string {
  return shortened(JSON.stringify(value));
}
