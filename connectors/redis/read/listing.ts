import type { Logger } from '../../../core/logger.ts';
import { LIST_EXPERIENCES } from '../apply/experience-scripts.ts';
import type { RedisClient } from '../client/client.ts';
import { keyFor } from '../key-patterns.ts';
import type { Layout } from '../layout.ts';
import { homeOfUnknown } from './experience-homes.ts';
import { idsOf } from './key-scan.ts';

export interface ListContext {
  readonly client: RedisClient;
  readonly layout: Layout;
  readonly logger: Logger;
}

/** Elements that one script enters into the versions hash. */
const ELEMENTS_PER_PAGE = 500;

/** Enters a list into the versions hash, from its end, where an application adds, to its start. */
export async function listExperiences(agentId: string, { client, layout }: ListContext): Promise<void> {
  const key = keyFor(layout.patterns.experiences, agentId);
  const own = layout.at(key);
  const keys = [own.versionsKey('experience'), key];
  for (let last = -1; ; last -= ELEMENTS_PER_PAGE) {
    const first = last - ELEMENTS_PER_PAGE + 1;
    const elements = await client.run(LIST_EXPERIENCES, keys, [agentId, String(first), String(last)]);
    if (Number(elements) < ELEMENTS_PER_PAGE) break;
  }
  await client.call((redis) => redis.sadd(own.listedKey, agentId));
}

export async function listEverything(context: ListContext): Promise<void> {
  const { client, layout, logger } = context;
  logger.info({ where: client.where }, 'noting where every experience stands: once, before the first delete');
  for await (const { id, fault } of idsOf(client, layout.patterns.experiences)) {
    const key = keyFor(layout.patterns.experiences, id);
    const isList = fault === undefined && (await client.call((redis) => redis.type(key))) === 'list';
    if (isList) await listExperiences(id, context);
  }
  // No agent has an empty id.
  await client.call((redis) => redis.sadd(homeOfUnknown(layout).listedKey, ''));
}
