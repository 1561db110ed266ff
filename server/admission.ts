import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CHANGES_PATH, mediaTypeOf } from './changes-route.ts';
import type { Gate, Ticket } from './gate.ts';
import { METRICS_PATH } from './info-routes.ts';
import { isFromThisMachine } from './loopback.ts';
import type { IngestMetrics } from './metrics.ts';
import { Problem, retryAfter } from './problem.ts';
import { createTokenCheck } from './token.ts';

export interface Admission {
  readonly token: string | undefined;
  readonly gate: Gate;
  readonly metrics: IngestMetrics;
  readonly maxBodyBytes: number;
}

const COME_AGAIN_MS = 1_000;

export interface Admitted {
  /** Work on a request keeps its place when the request itself is over, until what this answers is called. */
  hold(request: FastifyRequest): () => void;
  /** Whether who asks may be told more than what a stranger may: names of servers, reasons. */
  mayKnow(request: FastifyRequest): boolean;
}

/** Decides from the head of a request, before its body is read: who asks, in which form, and whether there is room. */
export function admit(app: FastifyInstance, admission: Admission): Admitted {
  const { token, gate, metrics, maxBodyBytes } = admission;
  const checkToken = token === undefined ? undefined : createTokenCheck(token);
  const tickets = new WeakMap<FastifyRequest, Ticket>();

  app.addHook('onRequest', async (request, reply) => {
    const path = request.routeOptions.url;
    if (path === CHANGES_PATH || path === METRICS_PATH) checkCaller(request);
    if (path !== CHANGES_PATH || request.method !== 'POST') return;
    const startedMs = performance.now();
    reply.raw.once('close', () => {
      metrics.onAnswer(reply.statusCode, (performance.now() - startedMs) / 1_000);
    });
    checkForm(request);
    const bytes = bytesToExpect(request);
    if (bytes > maxBodyBytes) throw new Problem(413, `The body has more than ${maxBodyBytes} bytes.`);
    const ticket = gate.enter(bytes);
    if (ticket === undefined) {
      throw new Problem(503, 'Too much is under way.', retryAfter(COME_AGAIN_MS));
    }
    tickets.set(request, ticket);
    reply.raw.once('close', ticket.hold());
  });

  function checkCaller(request: FastifyRequest): void {
    if (checkToken === undefined) {
      if (!isFromThisMachine(request.headers)) {
        throw new Problem(
          403,
          'Without a token only programs on this machine are served, not pages in a browser.',
        );
      }
      return;
    }
    const result = checkToken(request.headers.authorization);
    if (result === 'ok') return;
    const error = result === 'wrong' ? ', error="invalid_token"' : '';
    throw new Problem(401, `The token is ${result}.`, {
      'www-authenticate': `Bearer realm="changeover"${error}`,
    });
  }

  /** The length that it says, or else the most that will be read. */
  function bytesToExpect({ headers }: FastifyRequest): number {
    const said = headers['content-length'];
    if (said !== undefined) return Number(said);
    return headers['transfer-encoding'] === undefined ? 0 : maxBodyBytes;
  }

  return {
    hold: (request) => tickets.get(request)?.hold() ?? (() => {}),
    mayKnow: (request) =>
      checkToken === undefined
        ? isFromThisMachine(request.headers)
        : checkToken(request.headers.authorization) === 'ok',
  };
}

function checkForm(request: FastifyRequest): void {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers;
  if (encoding.toLowerCase() !== 'identity') {
    throw new Problem(415, `The content encoding ${JSON.stringify(encoding).slice(0, 50)} is not taken.`);
  }
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(type) ?? [];
  if (!/^utf-?8$/i.test(charset)) throw new Problem(415, 'The charset must be UTF-8.');
  if (mediaTypeOf(request) === undefined && request.headers['ce-specversion'] === undefined) {
    throw new Problem(415, 'The media type is missing.');
  }
}
