import { ChangeoverError } from '../../core/errors.ts';
import { closeAll } from '../../core/service.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Connector } from '../connector.ts';
import { openRedis } from './client.ts';
import { layoutOf, REDIS_KINDS, type RedisKind } from './layout.ts';
import { redisOptions } from './options.ts';
import { openProbe } from './probe.ts';
import { markPlaces } from './schema.ts';
import { openSink } from './sink.ts';
import { openSource } from './source.ts';

export const redisConnector: Connector<typeof redisOptions> = {
  name: 'redis',
  kinds: { legacy: REDIS_KINDS, target: REDIS_KINDS },
  options: redisOptions,
  place({ url, host, port, db, keys }) {
    const server = url === undefined ? `${host}:${port}/${db}` : new URL(url);
    const where = typeof server === 'string' ? server : `${server.host}/${server.pathname.slice(1) || 0}`;
    return `${where} ${Object.values(keys).join(' ')}`;
  },

  async open(options, context) {
    const kinds = context.kinds.map(redisKind);
    const layout = layoutOf(options);
    const client = await openRedis(options, context);
    const { unknownFields } = options;
    const source = openSource({ client, layout, kinds, unknownFields, clock: context.clock });
    return {
      name: context.name,
      prepare: () => markPlaces(client, layout, context),
      source,
      sink: openSink({ client, layout, kinds, logger: context.logger }),
      probe: openProbe({ client, layout, context }),
      // The client first: an enumeration under way then ends soon.
      close: () => closeAll([source, client]),
    };
  },
};

function redisKind(kind: Kind): RedisKind {
  const own = REDIS_KINDS.find((candidate) => candidate === kind);
  if (own !== undefined) return own;
  throw new ChangeoverError('config', `Redis holds no ${kind}.`, {
    hint: `It holds ${REDIS_KINDS.join(', ')}.`,
  });
}
