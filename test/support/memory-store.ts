import { coalescingSink } from '../../connectors/coalescing-sink.ts';
import { APPLIED, type SourceRow, STALE, type Store } from '../../connectors/connector.ts';
import { chunked } from '../../core/sequence.ts';
import type { Change } from '../../schemas/change.ts';
import { type ScanKey, scanKeyOf } from '../../schemas/keys.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { compareScanKeys, isInRange, rangesBetween, type ScanRange } from '../../schemas/scan-order.ts';
import { type Held, isNewer, join } from '../../schemas/version.ts';
import { identify } from './changes.ts';

type Row<K extends Kind> = SourceRow<K> & { readonly place: ScanKey };

/**
 * The store that a reader can check by eye: a map from key to what is held. The contract suite runs against it too,
 * and what it does is what every store must do.
 */
export class MemoryStore implements Store {
  readonly name: string;
  readonly kinds: readonly Kind[];
  readonly #held = new Map<string, Held<Kind>>();

  constructor(name = 'memory', kinds: readonly Kind[] = KINDS) {
    this.name = name;
    this.kinds = kinds;
  }

  async prepare(): Promise<void> {}
  async close(): Promise<void> {}

  get sink() {
    return coalescingSink({
      kinds: this.kinds,
      close: async () => {},
      applyDistinct: async (_kind, changes) => changes.map((change) => this.#apply(change)),
    });
  }

  #apply(change: Change) {
    const id = identify(change);
    const held = this.#held.get(id);
    if (held !== undefined && !isNewer(change.version, held.version)) return STALE;
    this.#held.set(id, join<Kind>(held, change));
    return APPLIED;
  }

  get source() {
    return {
      kinds: this.kinds,
      close: async () => {},
      count: async (kind: Kind) => this.#rows(kind).length,
      ranges: async (kind: Kind, parts: number) => {
        const places = this.#rows(kind).map((row) => row.place);
        const size = Math.max(1, Math.ceil(places.length / parts));
        return rangesBetween(
          places.filter((_, index) => index % size === size - 1 && index < places.length - 1),
        );
      },
      scan: <K extends Kind>(kind: K, range: ScanRange, { limit }: { readonly limit: number }) =>
        this.#scan(kind, range, limit),
      get: async <K extends Kind>(kind: K, keys: readonly string[]) =>
        keys.map((key) => this.#held.get(identify({ kind, key })) as Held<K> | undefined),
    };
  }

  #rows<K extends Kind>(kind: K): readonly Row<K>[] {
    const rows: Row<K>[] = [];
    for (const [id, held] of this.#held) {
      if (!id.startsWith(`${kind}:`) || held.entity === null) continue;
      const entity = held.entity as Row<K>['entity'];
      const key = id.slice(kind.length + 1);
      rows.push({ key, version: held.version, entity, place: scanKeyOf(kind, entity) });
    }
    return rows.sort((left, right) => compareScanKeys(left.place, right.place));
  }

  async *#scan<K extends Kind>(kind: K, range: ScanRange, limit: number) {
    const rows = this.#rows(kind).filter((row) => isInRange(row.place, range));
    for (const chunk of chunked(rows, limit)) {
      yield { rows: chunk, rejected: [], last: chunk.at(-1)?.place ?? [] };
    }
  }

  readonly probe = { check: async () => [{ check: 'reachable', ok: true, detail: 'in this process' }] };
}
