import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { canonical } from '../live/canonical.ts';
import { identify } from '../support/changes.ts';

/** One state of one key, as the origin committed it. */
export interface Committed {
  readonly kind: Kind;
  readonly key: string;
  readonly version: number;
  /** As text; null for a delete. */
  readonly content: string | null;
  readonly eventId: string;
  readonly sort: Sort;
}

/** `poison` no store takes, `oversized` the log does not take. */
export type Sort = 'sound' | 'poison' | 'oversized';

/** Whoever makes an entity puts this into it. */
export const POISON = 'poison';
export const OVERSIZED = 'oversized '.repeat(80);
/** Between the size of any other change and that of an oversized one. */
export const MAX_CHANGE_BYTES = 900;

export function sortOf(content: string | null): Sort {
  if (content?.includes(OVERSIZED)) return 'oversized';
  return content?.includes(`"${POISON}"`) ? 'poison' : 'sound';
}

export function contentOf(entity: Change['after']): string | null {
  return entity === null ? null : canonical(entity);
}

/** What the origin has committed, key by key, in order: written down by the origin itself as it commits. */
export class History {
  readonly #byKey = new Map<string, Committed[]>();
  /** The states before anything was captured. */
  readonly initial = new Map<string, string>();
  readonly #byEvent = new Map<string, Committed>();
  readonly #inLog = new Set<string>();

  add({ kind, key, version, after, eventId }: Change): void {
    const content = contentOf(after);
    const id = identify({ kind, key });
    const committed = { kind, key, version, content, eventId, sort: sortOf(content) };
    const known = this.#byKey.get(id);
    if (known === undefined) this.#byKey.set(id, [committed]);
    else known.push(committed);
    this.#byEvent.set(eventId, committed);
  }

  published(eventId: string): void {
    this.#inLog.add(eventId);
  }

  isInLog(eventId: string): boolean {
    return this.#inLog.has(eventId);
  }

  of(id: string): readonly Committed[] {
    return this.#byKey.get(id) ?? [];
  }

  byEvent(eventId: string): Committed | undefined {
    return this.#byEvent.get(eventId);
  }

  ids(): readonly string[] {
    return [...new Set([...this.#byKey.keys(), ...this.initial.keys()])];
  }

  all(): readonly Committed[] {
    return [...this.#byKey.values()].flat();
  }

  /** Whether the key ever had this content, or (null) was ever deleted. */
  everSaid(id: string, content: string | null): boolean {
    if (content !== null && this.initial.get(id) === content) return true;
    return this.of(id).some((committed) => committed.content === content);
  }

  newestSound(id: string): Committed | undefined {
    let newest: Committed | undefined;
    for (const each of this.of(id)) {
      if (each.sort === 'sound' && (newest === undefined || each.version > newest.version)) newest = each;
    }
    return newest;
  }
}
