import { compareCodePoints } from '../../../core/text.ts';
import type { Change } from '../../../schemas/change.ts';
import { parseKey, type ScanKey } from '../../../schemas/keys.ts';
import { type Held, isNewer } from '../../../schemas/version.ts';
import type { DictionaryKind } from '../dictionary-kinds.ts';
import { parseJsonExactly } from '../exact-json.ts';
import type { RawAgent } from '../rows.ts';

export type HeldAgent = Held<'agent'> & { readonly version: number };
export type HeldTie = Held<'relationship'> & { readonly version: number };

/** The ties of one source, by type and target. */
export type HeldTies = ReadonlyMap<string, HeldTie>;

/** Types contain no NUL, so no two ties of a source share a key. */
export function tieKey({ type, target }: { readonly type: string; readonly target: string }): string {
  return `${type}\u0000${target}`;
}

export function parseTieKey(key: string): { readonly type: string; readonly target: string } {
  const end = key.indexOf('\u0000');
  return { type: key.slice(0, end), target: key.slice(end + 1) };
}

const NOTHING: RawAgent = {};

/** What the journal changed: for each key the newest state, or that there is none any more. */
export class Overlay {
  readonly agents = new Map<string, HeldAgent>();
  /** By source. */
  readonly ties = new Map<string, Map<string, HeldTie>>();
  /**
   * Agents as the application last wrote them, where that is more than the agent's own fields and its ties say: they
   * stand for what the base has under the id. An empty one where what the base has is of an agent that was deleted.
   */
  readonly #raws = new Map<string, RawAgent | Buffer>();
  #entries = 0;
  #revision = 0;
  #sorted:
    | { readonly revision: number; readonly ids: ReadonlyMap<DictionaryKind, readonly string[]> }
    | undefined;

  /** Keys that it holds. */
  get entries(): number {
    return this.#entries;
  }

  /** Grows with each change, so that what was derived can be told from what holds. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes over a change unless something newer stands here. Saying it twice is harmless. */
  put(change: Change): void {
    this.#revision++;
    if (change.kind === 'agent') {
      const { key, version, after } = change;
      const held = this.agents.get(key);
      if (held === undefined) this.#entries++;
      else if (!isNewer(version, held.version)) return;
      this.agents.set(key, { version, entity: after });
    } else if (change.kind === 'relationship') {
      const identity = change.after ?? parseKey('relationship', change.key);
      const ties = this.ties.get(identity.source) ?? new Map<string, HeldTie>();
      const held = ties.get(tieKey(identity));
      if (held === undefined) this.#entries++;
      else if (!isNewer(change.version, held.version)) return;
      ties.set(tieKey(identity), { version: change.version, entity: change.after });
      this.ties.set(identity.source, ties);
    }
  }

  /** Takes over what the application wrote, with (also as JSON that is parsed when it is asked for) the whole agent where that says more. */
  putCaptured(change: Change, raw: RawAgent | Buffer | undefined): void {
    this.put(change);
    if (change.kind !== 'agent') return;
    if (raw !== undefined) this.#raws.set(change.key, raw);
    else if (change.op !== 'u') this.#raws.set(change.key, NOTHING);
  }

  /** Undefined where what the base has counts. */
  rawOf(id: string): RawAgent | undefined {
    const raw = this.#raws.get(id);
    if (!Buffer.isBuffer(raw)) return raw;
    const parsed = parseJsonExactly(raw.toString('utf8')) as RawAgent;
    this.#raws.set(id, parsed);
    return parsed;
  }

  /** The agents of which `rawOf` answers something. */
  rawIds(): Iterable<string> {
    return this.#raws.keys();
  }

  /** Undefined for a key that the journal says nothing of. */
  versionOf(place: ScanKey): number | undefined {
    const [kind, id, type, target] = place;
    if (kind === 'agent') return this.agents.get(String(id))?.version;
    return this.ties.get(String(id))?.get(tieKey({ type: String(type), target: String(target) }))?.version;
  }

  /** The agents of which it holds something of that kind, by code point. Made anew only after a change. */
  idsInOrder(kind: DictionaryKind): readonly string[] {
    if (this.#sorted?.revision !== this.#revision) {
      const ids = new Map<DictionaryKind, readonly string[]>([
        ['agent', [...this.agents.keys()].sort(compareCodePoints)],
        ['relationship', [...this.ties.keys()].sort(compareCodePoints)],
      ]);
      this.#sorted = { revision: this.#revision, ids };
    }
    return this.#sorted.ids.get(kind) ?? [];
  }
}
