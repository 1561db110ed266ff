import type { Connector } from '../connector.ts';
import { openMilvus } from './client.ts';
import { milvusOptions } from './options.ts';
import { openProbe } from './probe.ts';
import { Collections } from './schema.ts';
import { openSink } from './sink.ts';
import { openSource } from './source.ts';
import { VersionReader } from './versions.ts';
import { createWriter } from './writer.ts';

export const milvusConnector: Connector<typeof milvusOptions> = {
  name: 'milvus',
  kinds: { legacy: [], target: ['embedding'] },
  options: milvusOptions,

  async open(options, { name, role, clock }) {
    const connection = await openMilvus(options, clock);
    const collections = new Collections({ connection, options, owner: { name, role }, clock });
    const versions = new VersionReader(connection, collections);
    const writer = createWriter(connection, collections);
    const { batchRows, inFlight } = options;
    return {
      name,
      prepare: () => collections.prepare(),
      source: openSource({ connection, collections, versions }),
      sink: openSink({ collections, versions, writer, batchRows, inFlight }),
      probe: openProbe({ connection, collections }),
      close: () => connection.close(),
    };
  },
};
