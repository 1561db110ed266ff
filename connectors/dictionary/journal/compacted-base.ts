import { toJson } from '../../../core/json.ts';
import type { Logger } from '../../../core/logger.ts';
import type { EntityOf } from '../../../schemas/change.ts';
import { damageError } from '../errors.ts';
import { readId } from '../read/agent-index.ts';
import { editTies, effectiveEdits } from '../read/edit-ties.ts';
import type { Member, ScanEvent } from '../read/member-parser.ts';
import { membersOf } from '../read/members.ts';
import { tieKey } from '../read/overlay.ts';
import type { Snapshot } from '../read/snapshot.ts';
import { sortLine } from '../read/sorted-lines.ts';
import { holdsTies, readTies } from '../read/ties.ts';
import { contentOf, lineOf, tieOf, tiePlace } from '../read/versions-file.ts';
import { isFault, type RawAgent, readMember, writeAgent } from '../rows.ts';
import { type FilePrint, FileWriter } from './file-writer.ts';

type Relationship = EntityOf['relationship'];

export interface CompactedBaseOptions {
  readonly snapshot: Snapshot;
  readonly path: string;
  readonly maxAgentBytes: number;
  readonly logger: Logger;
  readonly written: WrittenBase;
}

/** Is filled while the base is written, and complete when the last line was yielded. */
export interface WrittenBase {
  /** The agents that the new base has and whose ties of the journal it holds. */
  readonly holding: Set<string>;
  print: FilePrint | undefined;
}

/**
 * Writes the next base: the agents of the present one in its order, byte for byte but for those that the journal
 * changed, then the new ones, one on a line. Yields what finds no place in it any more, the ties of agents that are
 * deleted, as lines of the versions file (behind a sort key).
 */
export async function* writeCompactedBase(options: CompactedBaseOptions): AsyncGenerator<string> {
  const { snapshot, path, maxAgentBytes, written } = options;
  const { base } = snapshot;
  const { mode, uid, gid } = await base.handle.stat();
  const writer = await FileWriter.create(path, mode);
  try {
    await writer.handle.chmod(mode);
    // The owner stays the same where we may give files away; where not, who may read it is left to the folder.
    await writer.handle.chown(uid, gid).catch(() => {});
    const rewriter = new Rewriter(options, await foldableTies(snapshot));
    let separator = '{\n';
    const write = async (key: Uint8Array | string, value: Uint8Array | string): Promise<void> => {
      for (const piece of [separator, key, ':', value]) await writer.write(piece);
      separator = ',\n';
    };
    for await (const events of membersOf(snapshot, maxAgentBytes)) {
      for (const event of events) {
        const member = soundMember(base.path, event);
        const { value, orphans } = rewriter.rewrite(member);
        if (value === 'as it is')
          await write(member.key, member.value ?? (await longValue(snapshot, member)));
        else if (value !== undefined) await write(member.key, value);
        yield* orphans;
      }
    }
    for (const { id, value } of rewriter.newAgents()) await write(JSON.stringify(id), value);
    await writer.write(separator === '{\n' ? '{}\n' : '\n}\n');
    written.print = await writer.finish();
  } finally {
    await writer.close();
  }
}

function soundMember(path: string, event: ScanEvent): Member {
  if (event.type === 'damage') throw damageError(path, event);
  return event;
}

async function longValue({ base }: Snapshot, { valueOffset, valueLength }: Member): Promise<Buffer> {
  const [bytes] = await base.read([{ offset: valueOffset, length: valueLength }]);
  return bytes ?? Buffer.alloc(0);
}

/** Ties in the versions file of agents that the journal changes: they go into the base if the agent is there now. */
async function foldableTies(snapshot: Snapshot): Promise<ReadonlyMap<string, readonly Relationship[]>> {
  const foldable = new Map<string, Relationship[]>();
  const lines = snapshot.versions?.lines.cursor(['relationship']);
  await lines?.load();
  for (let line = lines?.head; line !== undefined; line = lines?.head) {
    const tie = tieOf(line);
    if (tie !== undefined && isTouched(snapshot, tie.source)) {
      const ties = foldable.get(tie.source);
      if (ties === undefined) foldable.set(tie.source, [tie]);
      else ties.push(tie);
    }
    lines?.advance();
    if (lines?.waits === true) await lines.load();
  }
  return foldable;
}

function isTouched({ overlay }: Snapshot, id: string): boolean {
  return overlay.agents.has(id) || overlay.ties.has(id);
}

interface Rewritten {
  /** Undefined when the member goes. */
  readonly value: string | 'as it is' | undefined;
  readonly orphans: readonly string[];
}

const AS_IT_IS: Rewritten = { value: 'as it is', orphans: [] };
const GONE: Rewritten = { value: undefined, orphans: [] };

class Rewriter {
  readonly #options: CompactedBaseOptions;
  readonly #foldable: ReadonlyMap<string, readonly Relationship[]>;
  readonly #done = new Set<string>();

  constructor(options: CompactedBaseOptions, foldable: ReadonlyMap<string, readonly Relationship[]>) {
    this.#options = options;
    this.#foldable = foldable;
  }

  rewrite(member: Member): Rewritten {
    const read = readId(member.key);
    if ('reason' in read || !isTouched(this.#options.snapshot, read.id)) return AS_IT_IS;
    const { id } = read;
    if (this.#done.has(id)) {
      this.#warn(member, id, 'a second agent of an id that was changed is dropped');
      return GONE;
    }
    this.#done.add(id);
    const held = this.#options.snapshot.overlay.agents.get(id);
    const found =
      member.value === undefined ? { path: '', reason: 'too long' } : readMember(id, member.value);
    const raw = this.#options.snapshot.overlay.rawOf(id) ?? (isFault(found) ? undefined : found.raw);
    if (held === undefined) return raw === undefined || !holdsTies(raw) ? AS_IT_IS : this.#written(id, raw);
    if (raw === undefined) this.#warn(member, id, 'what could not be read is replaced by what is known now');
    if (held.entity === null) return { value: undefined, orphans: this.#orphans(id, raw) };
    return this.#written(id, writeAgent(held.entity, raw));
  }

  *newAgents(): Generator<{ readonly id: string; readonly value: string }> {
    const { overlay } = this.#options.snapshot;
    for (const [id, { entity }] of overlay.agents) {
      if (entity === null || this.#done.has(id)) continue;
      const { value } = this.#written(id, writeAgent(entity, overlay.rawOf(id)));
      if (value !== undefined) yield { id, value };
    }
  }

  #written(id: string, raw: RawAgent): Rewritten {
    if (!holdsTies(raw)) return { value: toJson(raw), orphans: [] };
    this.#options.written.holding.add(id);
    const edits = new Map<string, Relationship | null>();
    for (const tie of this.#foldable.get(id) ?? []) edits.set(tieKey(tie), tie);
    for (const [key, { entity }] of this.#options.snapshot.overlay.ties.get(id) ?? []) edits.set(key, entity);
    return { value: toJson(editTies(id, raw, effectiveEdits(id, raw, edits))), orphans: [] };
  }

  /** The ties of an agent that goes, except those of which the journal has its own word. */
  #orphans(id: string, raw: RawAgent | undefined): readonly string[] {
    if (raw === undefined) return [];
    const changed = this.#options.snapshot.overlay.ties.get(id);
    return readTies(id, raw)
      .ties.filter(({ tie }) => changed?.has(tieKey(tie)) !== true)
      .map(({ tie }) => {
        const line = { place: tiePlace(tie), version: null, deleted: false, content: contentOf(tie) };
        return sortLine([tie.source, tie.type, tie.target], lineOf(line));
      });
  }

  #warn({ line, keyOffset }: Member, id: string, message: string): void {
    this.#options.logger.warn({ file: this.#options.snapshot.base.path, line, byte: keyOffset, id }, message);
  }
}
