import type { Connector } from '../connector.ts';
import { openPostgres } from './client.ts';
import { postgresOptions } from './options.ts';
import { openProbe } from './probe.ts';
import { prepareSchema } from './schema.ts';
import { openSink } from './sink.ts';
import { openSource } from './source.ts';
import { POSTGRES_KINDS } from './tables.ts';
import { openUpkeep } from './upkeep.ts';

export const postgresConnector: Connector<typeof postgresOptions> = {
  name: 'postgres',
  kinds: { legacy: [], target: POSTGRES_KINDS },
  options: postgresOptions,

  async open(options, context) {
    const { schema, batchRows, poolSize } = options;
    const { kinds } = context;
    const client = await openPostgres(options, context.logger);
    return {
      name: context.name,
      prepare: () => prepareSchema(client, schema, context),
      source: openSource({ client, kinds, schema }),
      sink: openSink({ client, kinds, schema, batchRows, poolSize }),
      probe: openProbe({ client, schema, context }),
      upkeep: openUpkeep({ client, kinds, schema }),
      close: () => client.close(),
    };
  },
};
