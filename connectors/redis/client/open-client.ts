import type { RedisOptions } from '../options.ts';
import { openServer, type SingleClient } from './client.ts';
import { ClusterClient } from './cluster-client.ts';

/** The door to what the configuration names: one server, or a cluster. */
export function openRedis(
  options: RedisOptions,
  context: Parameters<typeof openServer>[1],
): Promise<SingleClient | ClusterClient> {
  return options.cluster === undefined
    ? openServer(options, context)
    : ClusterClient.open(options, options.cluster, context);
}
