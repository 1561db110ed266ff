import { ChangeoverError } from '../../core/errors.ts';
import { closeAll } from '../../core/service.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Capture } from '../capture.ts';
import type { Connector } from '../connector.ts';
import { openCapture } from './capture/capture.ts';
import { openClusterCapture } from './capture/cluster-capture.ts';
import type { CaptureContext } from './capture/context.ts';
import type { SingleClient } from './client/client.ts';
import type { ClusterClient } from './client/cluster-client.ts';
import { openRedis } from './client/open-client.ts';
import { clusterLayoutOf, layoutOf, REDIS_KINDS, type RedisKind } from './layout.ts';
import { redisOptions } from './options.ts';
import { openProbe } from './probe.ts';
import { markPlaces } from './schema.ts';
import { openSink } from './sink.ts';
import { openSource } from './source.ts';
import { openUpkeep } from './upkeep.ts';

export const redisConnector: Connector<typeof redisOptions> = {
  name: 'redis',
  kinds: { legacy: REDIS_KINDS, target: REDIS_KINDS },
  options: redisOptions,
  place({ cluster, url, host, port, db, keys }) {
    if (cluster !== undefined) return `${cluster.toSorted().join(',')} ${Object.values(keys).join(' ')}`;
    const server = url === undefined ? `${host}:${port}/${db}` : new URL(url);
    const where = typeof server === 'string' ? server : `${server.host}/${server.pathname.slice(1) || 0}`;
    return `${where} ${Object.values(keys).join(' ')}`;
  },

  async open(options, context) {
    const kinds = context.kinds.map(redisKind);
    const { role } = context;
    if (options.cluster !== undefined && role === 'target') {
      throw new ChangeoverError('unsupported', `${context.name}: a Redis Cluster cannot be a target.`, {
        hint: 'Use a single primary with replicas: the guard of experiences spans the slots of all agents.',
      });
    }
    const layout = options.cluster === undefined ? layoutOf(options) : clusterLayoutOf(options);
    const client = await openRedis(options, context);
    const { unknownFields, outbox } = options;
    const prepare = () => markPlaces(client, layout, context);
    const { logger, clock, capture: settings, name: store } = context;
    const source = openSource({ client, layout, kinds, unknownFields, clock });
    return {
      name: context.name,
      prepare,
      source,
      sink: openSink({ client, layout, kinds, logger }),
      probe: openProbe({ client, layout, context }),
      ...(layout.cluster === undefined && { upkeep: openUpkeep({ client, layout, kinds }) }),
      ...(settings !== undefined &&
        role === 'legacy' && {
          capture: captureOf(client, {
            ...{ layout, kinds, unknownFields, outbox, settings, store, clock, logger, prepare },
          }),
        }),
      // The client first: an enumeration under way then ends soon.
      close: () => closeAll([source, client]),
    };
  },
};

function captureOf(client: SingleClient | ClusterClient, context: Omit<CaptureContext, 'client'>): Capture {
  return 'separate' in client
    ? openCapture({ ...context, client })
    : openClusterCapture({ ...context, client });
}

function redisKind(kind: Kind): RedisKind {
  const own = REDIS_KINDS.find((candidate) => candidate === kind);
  if (own !== undefined) return own;
  throw new ChangeoverError('config', `Redis holds no ${kind}.`, {
    hint: `It holds ${REDIS_KINDS.join(', ')}.`,
  });
}
