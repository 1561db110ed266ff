import type { Connector } from '../connector.ts';
import { openCapture } from './capture.ts';
import { namesOf } from './names.ts';
import { openClient } from './open-client.ts';
import { neo4jOptions } from './options.ts';
import { openProbe } from './probe.ts';
import { prepareSchema } from './schema.ts';
import { openSink } from './sink.ts';
import { openSource } from './source.ts';
import { openTrigger } from './trigger.ts';
import { openUpkeep } from './upkeep.ts';

export const neo4jConnector: Connector<typeof neo4jOptions> = {
  name: 'neo4j',
  kinds: {
    legacy: ['agent', 'relationship', 'embedding'],
    // Vectors move to where they are searched: a target graph keeps none.
    target: ['agent', 'relationship'],
  },
  options: neo4jOptions,
  place: ({ url, database, labels }) => `${url} ${database} :${labels.agent}`,

  async open(options, context) {
    const client = await openClient(options, context.logger);
    const names = namesOf(options.labels);
    const scope = { client, names, options, context };
    const capture =
      context.capture && openCapture(scope, context.capture, openTrigger(scope, context.capture));
    return {
      name: context.name,
      prepare: () => prepareSchema(scope),
      source: openSource(scope),
      sink: openSink(scope),
      probe: openProbe(scope, capture),
      upkeep: openUpkeep(scope),
      ...(capture && { capture }),
      close: () => client.close(),
    };
  },
};
