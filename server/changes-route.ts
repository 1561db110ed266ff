import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../core/clock.ts';
import { ChangeoverError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Writers } from '../producers/shim/change-writer.ts';
import { CHANGES_SCHEMA } from './changes-schema.ts';
import type { Item } from './items.ts';
import type { IngestMetrics } from './metrics.ts';
import { Problem, retryAfter } from './problem.ts';
import type { Body } from './read-body.ts';
import { requestItems } from './request-items.ts';
import { answerOf, type ItemResult, itemResult, writeItems } from './results.ts';
import type { TokenBucket } from './token-bucket.ts';

export interface ChangesRoute {
  readonly writers: Writers;
  readonly bucket: TokenBucket;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly maxBatchItems: number;
  readonly requestTimeoutMs: number;
  /** Keeps the request's place in the gate until what it answers is called. */
  hold(request: FastifyRequest): () => void;
}

export const CHANGES_PATH = '/v1/changes';

export function addChangesRoute(app: FastifyInstance, route: ChangesRoute): void {
  const { bucket, metrics, maxBatchItems } = route;
  app.post(CHANGES_PATH, { schema: CHANGES_SCHEMA }, async (request, reply) => {
    const body = request.body as Body;
    const items = requestItems(
      { mediaType: mediaTypeOf(request), headers: request.headers, body },
      maxBatchItems,
    );
    const waitMs = bucket.take(items.length);
    if (waitMs > 0) throw new Problem(429, 'More changes come than are taken.', retryAfter(waitMs));
    const waiting = new AbortController();
    reply.raw.once('close', () => waiting.abort());
    const letGo = route.hold(request);
    const results = await writeInTime(items, route, waiting.signal, letGo);
    for (const [index, { status }] of results.entries()) metrics.onItem(items[index]?.write?.kind, status);
    const answer = answerOf(results);
    return reply.code(answer.status).headers(answer.headers).send(answer.body);
  });
  // Only POST; a body that comes with another method is not looked at.
  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE'],
    url: CHANGES_PATH,
    schema: { hide: true },
    handler: () => {
      throw new Problem(405, 'Changes are sent with POST.', { allow: 'POST' });
    },
  });
}

export function mediaTypeOf(request: FastifyRequest): string | undefined {
  const [mediaType = ''] = (request.headers['content-type'] ?? '').split(';');
  return mediaType.trim().toLowerCase() || undefined;
}

/**
 * The results, or when they do not come in time, that nothing is known. The writing goes on, and the request keeps its place
 * until it ends: a store that has become slow must not collect ever more of them.
 */
async function writeInTime(
  items: readonly Item[],
  { writers, clock, logger, requestTimeoutMs }: ChangesRoute,
  waiting: AbortSignal,
  letGo: () => void,
): Promise<readonly ItemResult[]> {
  const writing = writeItems(writers, items, ({ code, message }, changes) =>
    logger.error({ code, changes }, `changes were not written: ${message}`),
  ).finally(letGo);
  const answered = new AbortController();
  const late = clock.sleep(requestTimeoutMs, AbortSignal.any([waiting, answered.signal]));
  const giveUp = new Promise<readonly ItemResult[]>((resolve) => {
    // Aborted: it was answered in time, or nobody waits for an answer any more.
    late.then(() => resolve(unknownResults(items, requestTimeoutMs))).catch(() => {});
  });
  try {
    return await Promise.race([writing, giveUp]);
  } finally {
    answered.abort();
  }
}

function unknownResults(items: readonly Item[], timeoutMs: number): readonly ItemResult[] {
  const error = new ChangeoverError('timeout', `it was not written within ${timeoutMs} ms`);
  return items.map((item, index) =>
    item.write === undefined
      ? itemResult(item, index, { status: 'rejected', reason: item.reason ?? '' })
      : itemResult(item, index, { status: 'failed', error }),
  );
}
