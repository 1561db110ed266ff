import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import { problem } from './changes-schema.ts';
import { ref } from './openapi-schemas.ts';

/** Whether one thing that writing needs is there. */
export interface ReadyCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface InfoRoutes {
  readonly registry: Registry;
  ready(): Promise<readonly ReadyCheck[]>;
  /** Whether who asks may be told why; others are told whether. */
  mayKnow(request: FastifyRequest): boolean;
}

export const HEALTH_PATH = '/healthz';
export const READY_PATH = '/readyz';
export const METRICS_PATH = '/metrics';
export const OPENAPI_PATH = '/openapi.json';

const text = (description: string) => ({
  description,
  content: { 'text/plain': { schema: { type: 'string' } } },
});
const readiness = (description: string) => ({
  description,
  content: { 'application/json': { schema: ref('Readiness') } },
});

/** What others ask of the server: whether it lives, whether it can write, its metrics and its document. */
export function addInfoRoutes(app: FastifyInstance, { registry, ready, mayKnow }: InfoRoutes): void {
  app.get(
    HEALTH_PATH,
    { schema: { summary: 'Whether the process lives', response: { 200: text('It does.') } } },
    async (_request, reply) => reply.type('text/plain').send('ok\n'),
  );
  app.get(
    READY_PATH,
    {
      schema: {
        summary: 'Whether changes can be written',
        response: {
          200: readiness('They can.'),
          503: readiness('They cannot; with the token, the details say why.'),
        },
      },
    },
    async (request, reply) => {
      const checks = await ready();
      const isReady = checks.every(({ ok }) => ok);
      return reply.code(isReady ? 200 : 503).send({ ready: isReady, checks: mayKnow(request) ? checks : [] });
    },
  );
  app.get(
    METRICS_PATH,
    {
      schema: {
        summary: 'Metrics for Prometheus',
        security: [{ token: [] }, {}],
        response: { 200: text('In the text format.'), 401: problem('The token is missing or wrong.') },
      },
    },
    async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  );
  app.get(
    OPENAPI_PATH,
    {
      schema: {
        summary: 'This document',
        response: {
          200: {
            description: 'OpenAPI 3.1',
            content: { 'application/json': { schema: { type: 'object' } } },
          },
        },
      },
    },
    async () => app.swagger(),
  );
}
