import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import type { Sink } from '../../connectors/connector.ts';
import { milvusConnector } from '../../connectors/milvus/connector.ts';
import { milvusOptions } from '../../connectors/milvus/options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { MilvusAddress } from '../../stack/addresses.ts';
import {
  cpuSeconds,
  type Figure,
  markdownTable,
  peakResidentMegabytes,
  perSecond,
  timed,
  whole,
} from '../measure.ts';
import { type EmbeddingChange, embeddingChanges } from './milvus-content.ts';
import { clientUpserts, rawUpserts } from './milvus-raw.ts';

const DIMENSIONS = [384, 1_536] as const;
/** Changes that the pipeline offers at once while the log has more. */
const OFFERED = 4_000;
/** The client is so much slower that it is not given as many. */
const CLIENT_SHARE = 5;

interface MilvusBench {
  readonly addresses: { readonly milvus: MilvusAddress };
  /** Embeddings of each dimension. */
  readonly vectors: number;
}

interface Measured extends Figure {
  readonly cpu: number;
  readonly megabytes: number;
}

/** The sink beside the same request without a guard, and beside the official client, in one run. */
export async function benchMilvusSink({ addresses, vectors }: MilvusBench): Promise<string> {
  const rows: (string | number)[][] = [];
  for (const dimension of DIMENSIONS) {
    const figures = await benchDimension(addresses.milvus, dimension, vectors);
    const [raw, client] = figures;
    for (const figure of figures) {
      rows.push([
        dimension,
        figure.what,
        whole(figure.items),
        whole(perSecond(figure)),
        raw === undefined ? '' : (perSecond(figure) / perSecond(raw)).toFixed(2),
        client === undefined ? '' : (perSecond(figure) / perSecond(client)).toFixed(1),
        ((figure.cpu * 1_000_000) / figure.items).toFixed(0),
        whole(figure.megabytes),
      ]);
    }
  }
  const header = ['dimensions', 'way', 'rows', 'rows/s', '÷ by hand', '÷ client', 'CPU s per million', 'MB'];
  return markdownTable(header, rows);
}

async function benchDimension(
  address: MilvusAddress,
  dimension: number,
  count: number,
): Promise<readonly Measured[]> {
  const changeOf = embeddingChanges(dimension);
  const raw = { dimension, rows: count, changeOf: (index: number) => changeOf(index, 1) };
  const inStore = (work: InStore) => withStore(address, changeOf(99_999_999, 0), work);
  const figures: Measured[] = [];
  const measure = async (what: string, work: () => Promise<number>): Promise<void> => {
    // From here on the greatest resident set is counted anew: man 5 proc_pid_clear_refs.
    writeFileSync('/proc/self/clear_refs', '5');
    const before = cpuSeconds(process.pid);
    const figure = await timed(what, work);
    const cpu = cpuSeconds(process.pid) - before;
    figures.push({ ...figure, cpu, megabytes: peakResidentMegabytes(process.pid) });
    console.error(`  ${dimension} ${what}: ${whole(perSecond(figure))} rows/s`);
  };
  const offer = async (sink: Sink, round: number): Promise<number> => {
    for (let start = 0; start < count; start += OFFERED) {
      const size = Math.min(OFFERED, count - start);
      const outcomes = await sink.apply(
        Array.from({ length: size }, (_, index) => changeOf(start + index, round)),
      );
      if (outcomes.some(({ status }) => status !== 'applied')) throw new Error('not all were applied');
    }
    return count;
  };
  await inStore(async (_sink, collection) => {
    // Compiles the code, and makes the first segment.
    await rawUpserts(address, { ...raw, collection, rows: 2_000 });
    await clientUpserts(address, { ...raw, collection, rows: 400 });
    await measure('by hand, no guard', () => rawUpserts(address, { ...raw, collection }));
  });
  await inStore(async (_sink, collection) => {
    const rows = Math.ceil(count / CLIENT_SHARE);
    await measure('official client, no guard', () => clientUpserts(address, { ...raw, collection, rows }));
  });
  await inStore(async (sink) => {
    await measure('sink that remembers nothing, new keys', () => offer(sink, 1));
  });
  await inStore(async (sink) => {
    sink.forget?.();
    await measure('sink, new keys', () => offer(sink, 1));
    await measure('sink, keys that it has written', () => offer(sink, 2));
    sink.forget?.();
    await measure('sink, keys that another may have written', () => offer(sink, 3));
  });
  return figures;
}

type InStore = (sink: Sink, collection: string) => Promise<void>;

/** A store with collections of its own, which are gone afterwards; the first change decides the space. */
async function withStore({ address }: MilvusAddress, first: EmbeddingChange, work: InStore): Promise<void> {
  const collection = `bench_${randomBytes(4).toString('hex')}`;
  const kinds = milvusConnector.kinds.target;
  const context = { name: 'bench', role: 'target', kinds, logger: silentLogger, clock: systemClock } as const;
  const store = await milvusConnector.open(milvusOptions.parse({ address, collection }), context);
  try {
    await store.prepare();
    await store.sink.apply([first]);
    await work(store.sink, collection);
  } finally {
    await store.close();
    const client = new MilvusClient({ address, telemetry: { enabled: false } });
    await client.dropCollection({ collection_name: collection });
    await client.dropCollection({ collection_name: `${collection}_tombstones` });
    await client.closeConnection();
  }
}
