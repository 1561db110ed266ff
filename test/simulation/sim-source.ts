import type { ScanChunk, Source, SourceRow } from '../../connectors/connector.ts';
import { scanKeyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import type { Life } from './life.ts';
import { ORIGIN, type Origin, versionToldOf } from './origin.ts';

const FAR_AHEAD_US = 3_600_000_000;

/** The origin as a backfill reads it: the versions of a chunk first, then its rows, and time passes in between. */
export function openSource({ source: inner }: Origin, life: Life): Source {
  const { world } = life;
  const { bug } = world;

  async function* scan<K extends Kind>(
    kind: K,
    range: ScanRange,
    { limit }: { readonly limit: number },
  ): AsyncGenerator<ScanChunk<K>> {
    for (let after = range.after; ; ) {
      const first = await life.call(ORIGIN, `reads versions of ${kind}`, async () => {
        for await (const { rows } of inner.scan(kind, { after, until: range.until }, { limit })) return rows;
        return [];
      });
      if (first.length === 0) return;
      const keys = first.map(({ key }) => key);
      const second = await life.call(ORIGIN, `reads rows of ${kind}`, () => inner.get(kind, keys));
      const rows: SourceRow<K>[] = [];
      for (const [index, { key, version, entity }] of first.entries()) {
        const held = second[index];
        if (held === undefined || held.entity === null) continue;
        if (bug === 'content-before-version')
          rows.push({ key, version: versionToldOf(held.version), entity });
        else {
          const told = versionToldOf(version);
          const label = told === null && bug === 'generation-too-large' ? world.nowUs + FAR_AHEAD_US : told;
          rows.push({ key, version: label, entity: held.entity });
        }
      }
      const last = first.at(-1);
      if (last === undefined) return;
      after = scanKeyOf<Kind>(kind, last.entity);
      yield { rows, rejected: [], last: after };
    }
  }

  return {
    kinds: inner.kinds,
    close: async () => {},
    count: (kind) => life.call(ORIGIN, `counts ${kind}`, () => inner.count(kind)),
    ranges: (kind, parts) => life.call(ORIGIN, `parts ${kind}`, () => inner.ranges(kind, parts)),
    scan,
    get: (kind, keys) => life.call(ORIGIN, `gets ${kind}`, () => inner.get(kind, keys)),
  };
}
