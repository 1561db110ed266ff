import swagger from '@fastify/swagger';
import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import type { Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import packageJson from '../package.json' with { type: 'json' };
import type { Writers } from '../producers/shim/change-writer.ts';
import { admit } from './admission.ts';
import { addChangesRoute } from './changes-route.ts';
import { createGate } from './gate.ts';
import { addInfoRoutes, type ReadyCheck } from './info-routes.ts';
import { registerIngestMetrics } from './metrics.ts';
import { COMPONENT_SCHEMAS } from './openapi-schemas.ts';
import type { ServerOptions } from './options.ts';
import { PROBLEM_MEDIA_TYPE, Problem, type ProblemStatus } from './problem.ts';
import { readBody } from './read-body.ts';
import { EVENT_BATCH_TYPE, EVENT_TYPE, JSON_TYPE } from './request-items.ts';
import { createTokenBucket, unlimitedBucket } from './token-bucket.ts';

export interface AppContext {
  /** Where each kind is written. */
  readonly writers: Writers;
  /** Undefined where requests need none. */
  readonly token: string | undefined;
  ready(): Promise<readonly ReadyCheck[]>;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Who holds more connections than this has lost some. */
const MAX_CONNECTIONS = 1_000;
const MAX_CHECK_INTERVAL_MS = 1_000;

/** The HTTP application, not yet listening. */
export async function createApp(options: ServerOptions, context: AppContext): Promise<FastifyInstance> {
  const { logger } = context;
  const app = fastify({
    bodyLimit: options.maxBodyBytes,
    exposeHeadRoutes: false,
    requestTimeout: options.requestTimeoutMs,
    http: {
      headersTimeout: options.requestTimeoutMs,
      // Node looks only so often for who is too slow.
      connectionsCheckingInterval: Math.min(MAX_CHECK_INTERVAL_MS, options.requestTimeoutMs),
    },
    forceCloseConnections: 'idle',
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  endConnectionsWhenClosing(app);
  // A change is checked by itself, so that a batch is not refused for one of them; the schemas are for the document.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, _request, reply) => answerError(error, reply, logger));
  app.setNotFoundHandler((_request, reply) => answer(new Problem(404, 'There is nothing here.'), reply));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    [JSON_TYPE, EVENT_TYPE, EVENT_BATCH_TYPE],
    { parseAs: 'buffer' },
    async (_request: unknown, bytes: Buffer) => readBody(bytes),
  );
  const gate = createGate({ maxRequests: options.maxRequests, maxBytes: options.maxRequestBytes });
  const metrics = registerIngestMetrics(context.registry, gate);
  const { hold, mayKnow } = admit(app, { ...options, token: context.token, gate, metrics });
  await app.register(swagger, { openapi: DOCUMENT });
  await app.register(async (routes) => {
    addChangesRoute(routes, {
      ...context,
      bucket:
        options.ratePerSecond === undefined
          ? unlimitedBucket
          : createTokenBucket(options.ratePerSecond, context.clock),
      metrics,
      maxBatchItems: options.maxBatchItems,
      requestTimeoutMs: options.requestTimeoutMs,
      hold,
    });
    addInfoRoutes(routes, { ...context, mayKnow });
  });
  await app.ready();
  return app;
}

/** Idle connections are closed at once, by fastify; one that is busy would stay open, idle, after its answer. */
function endConnectionsWhenClosing(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
}

const DOCUMENT = {
  openapi: '3.1.0',
  info: {
    title: 'Changeover ingest',
    version: packageJson.version,
    description:
      'Takes changes of agents, relationships, embeddings and reinforcement-learning state from any language.',
  },
  components: {
    schemas: COMPONENT_SCHEMAS,
    securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
  },
} as const;

const DETAILS: Readonly<Record<string, readonly [ProblemStatus, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [413, 'The body has too many bytes.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    415,
    `The media type must be ${JSON_TYPE}, ${EVENT_TYPE} or ${EVENT_BATCH_TYPE}.`,
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'The body is not as long as its Content-Length.'],
};

function answerError(error: unknown, reply: FastifyReply, logger: Logger): FastifyReply {
  if (error instanceof Problem) return answer(error, reply);
  const { code, statusCode = 500 } = error as Partial<FastifyError>;
  const [status, detail] = DETAILS[code ?? ''] ?? [];
  if (status !== undefined) return answer(new Problem(status, detail ?? ''), reply);
  if (statusCode < 500) return answer(new Problem(400, messageOf(error).slice(0, 200)), reply);
  logger.error({ reason: messageOf(error) }, 'a request ended in an unexpected error');
  return answer(new Problem(500, "An unexpected error; see the server's log."), reply);
}

function answer(problem: Problem, reply: FastifyReply): FastifyReply {
  return reply.code(problem.status).headers(problem.headers).type(PROBLEM_MEDIA_TYPE).send(problem.body);
}
