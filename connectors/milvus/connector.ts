import type { Connector } from '../connector.ts';
import { openMilvus } from './client.ts';
import { VersionMemory } from './memory.ts';
import { milvusOptions } from './options.ts';
import { openProbe } from './probe.ts';
import { Collections, FoundCollections } from './schema.ts';
import { openSink } from './sink.ts';
import { openSource } from './source.ts';
import { openUpkeep } from './upkeep.ts';
import { VersionReader } from './versions.ts';
import { createWriter } from './writer.ts';

export const milvusConnector: Connector<typeof milvusOptions> = {
  name: 'milvus',
  kinds: { legacy: [], target: ['embedding'] },
  oneWriter: true,
  options: milvusOptions,

  async open(options, { name, role, clock, logger }) {
    const connection = await openMilvus(options, clock, logger);
    const place = { connection, options, owner: { name, role }, clock };
    const collections = new Collections(place);
    const writing = { collections, versions: new VersionReader(connection, collections) };
    const writer = createWriter(connection, collections);
    // Whoever reads makes nothing, and waits for nothing to be made.
    const found = new FoundCollections(place);
    const reading = { collections: found, versions: new VersionReader(connection, found) };
    const { batchRows, inFlight } = options;
    const memory = new VersionMemory({ timestamp: (tenure) => connection.timestamp(tenure), clock });
    return {
      name,
      prepare: () => collections.prepare(),
      source: openSource({ connection, ...reading }),
      sink: openSink({ ...writing, writer, memory, batchRows, inFlight }),
      probe: openProbe({ connection, collections: found }),
      upkeep: openUpkeep({ connection, ...reading }),
      close: () => connection.close(),
    };
  },
};
