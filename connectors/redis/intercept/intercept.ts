import type { Cluster, Command, Redis } from 'ioredis';
import { clusterLayoutOf, layoutOf } from '../layout.ts';
import { CommandRewriter, type Send } from './command-rewriter.ts';
import { clusterMapping, type RedisMapping } from './mapping.ts';
import { gatherPipelines } from './pipeline-groups.ts';
import { interceptScript } from './script.ts';

export { type RedisMapping, redisMapping } from './mapping.ts';

/**
 * A client with ioredis' own surface, whose writes to mapped keys are captured: each becomes a script that runs the very
 * command, with its version and its entry in the outbox, in one step. Replies, errors, callbacks, pipelines and
 * transactions are those of ioredis. What cannot be captured is refused with a `ChangeoverError`; every command that
 * touches no mapped key passes as it is. The given client stays a bare one: what is written through it is not captured,
 * nor what is written through a single node of a cluster (`nodes()`).
 *
 * What is supported, and what is refused: docs/decisions/0015-redis-capture.md.
 */
export function intercept<C extends Redis | Cluster>(redis: C, mapping: RedisMapping): C {
  const layout = redis.isCluster ? clusterLayoutOf(clusterMapping(mapping)) : layoutOf(mapping);
  const { outbox, maxChangeBytes } = mapping;
  const script = interceptScript({ layout, outbox, maxChangeBytes });
  const rewriter = new CommandRewriter({ layout, mapping, script, redis });
  const send: Send = (command, stream, node) => rewriter.send(command, stream, node);
  const duplicate: (...given: never[]) => Redis | Cluster = redis.duplicate;
  const overridden: { readonly [property in PropertyKey]?: unknown } = {
    sendCommand: send,
    duplicate: (...given: never[]) => intercept(duplicate.apply(redis, given), mapping),
    pipeline: gatherPipelines((...given) => redis.pipeline.apply(client, given), rewriter, layout),
  };
  const client = new Proxy(redis, {
    get: (target, property) =>
      Object.hasOwn(overridden, property) ? overridden[property] : Reflect.get(target, property, target),
  });
  return client;
}

export type { Command };
