import { type ChainableCommander, Redis } from 'ioredis';
import { readConfig } from '../../cli/config.ts';
import type { EntityWrite } from '../../connectors/capture.ts';
import { intercept, redisMapping } from '../../connectors/redis/intercept/intercept.ts';
import { redisOptions } from '../../connectors/redis/options.ts';
import { toJson } from '../../core/json.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Answer, StoreWriter } from './store-writer.ts';
import type { WriterOptions } from './writer-options.ts';

/** An application that knows nothing of us but that its client came out of `intercept`. */
export async function openInterceptedWriter({
  configFile,
  incarnation,
}: WriterOptions): Promise<StoreWriter> {
  const { url, password, keys, bookkeepingPrefix } = redisOptions.parse(
    readConfig(configFile, {}).legacy.redis,
  );
  // By default ioredis sends again what had no answer when its connection broke, and a write without an event id is two then. Where it
  // does not, it tells whoever waits only with the second of these.
  const bare = new Redis(url ?? '', {
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    ...(password !== undefined && { password }),
  });
  // Without a listener ioredis writes to the console.
  bare.on('error', () => {});
  await bare.connect();
  const redis = intercept(bare, redisMapping({ keys, bookkeepingPrefix, writer: `live ${incarnation}` }));
  const keyFor = (pattern: string, id: string): string => pattern.split('{id}').join(id);

  const add = (pipeline: ChainableCommander, { kind, key, entity }: EntityWrite): void => {
    if (kind === 'q-value') {
      const { agentId, state, action } = parseKey(kind, key);
      const [hash, field] = [keyFor(keys.qValues, agentId), `${state}|${action}`];
      if (entity === null) pipeline.hdel(hash, field);
      else pipeline.hset(hash, field, toJson({ value: entity.value, visits: entity.visits }));
    } else if (kind === 'policy') {
      const place = keyFor(keys.policy, parseKey(kind, key).agentId);
      if (entity === null) pipeline.del(place);
      else {
        const { algorithm, environment, parameters, actions, revision } = entity;
        pipeline.set(place, toJson({ algorithm, environment, parameters, actions, revision }));
      }
    } else throw new Error(`This application writes no ${kind}.`);
  };

  return {
    way: 'intercept',
    async write(writes) {
      const pipeline = writes.length > 1 ? redis.multi() : redis.pipeline();
      for (const write of writes) add(pipeline, write);
      const replies = (await pipeline.exec()) ?? [];
      return writes.map((write, at): Answer => {
        const [error, reply] = replies[at] ?? [new Error('There was no reply.')];
        if (error) throw error;
        if (write.entity === null && reply === 0)
          return { status: 'rejected', reason: 'there was nothing to delete' };
        return { status: 'written', version: null };
      });
    },
    async close() {
      await bare.quit();
    },
  };
}
