import { type ClientRequest, request as httpRequest } from 'node:http';
import type { TestContext } from 'node:test';
import { Registry } from 'prom-client';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { ChangeWriter } from '../../producers/shim/change-writer.ts';
import { KINDS } from '../../schemas/kinds.ts';
import type { AppContext } from '../../server/app.ts';
import { type ServerOptions, serverOptions } from '../../server/options.ts';
import type { ResultsBody } from '../../server/results.ts';
import { openServer } from '../../server/server.ts';
import { MemoryCapture } from '../support/memory-capture.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, parsed; whatever it is. */
  readonly json: ResultsBody & { readonly detail: string; readonly title: string };
}

export interface TestServer {
  readonly address: string;
  readonly outbox: MemoryOutbox;
  readonly registry: Registry;
  post(body: string | Uint8Array | object, headers?: Record<string, string>): Promise<Reply>;
  get(path: string, headers?: Record<string, string>): Promise<Reply>;
  /** A request of which the test sends the body itself. */
  open(headers: Record<string, string>): ClientRequest;
  close(): Promise<void>;
}

export interface TestServerOptions {
  readonly options?: Partial<ServerOptions>;
  readonly context?: Partial<AppContext>;
  readonly outbox?: MemoryOutbox;
  /** Stands before the capture. */
  readonly writer?: (capture: MemoryCapture) => ChangeWriter;
}

/** The ingest at a port of its own, over a store in memory that captures every kind. */
export async function startServer(test: TestContext, given: TestServerOptions = {}): Promise<TestServer> {
  const outbox = given.outbox ?? new MemoryOutbox();
  const capture = new MemoryCapture(outbox);
  await capture.install();
  const writer = given.writer?.(capture) ?? capture;
  const registry = new Registry();
  const server = await openServer(serverOptions.parse({ port: 0, ...given.options }), {
    writers: new Map(KINDS.map((kind) => [kind, writer])),
    token: undefined,
    ready: async () => [],
    registry,
    logger: silentLogger,
    clock: systemClock,
    ...given.context,
  });
  test.after(() => server.close());
  const { address } = server;
  return {
    address,
    outbox,
    registry,
    post: async (body, headers = {}) => {
      const isBytes = typeof body === 'string' || body instanceof Uint8Array;
      return replyOf(
        await fetch(`${address}/v1/changes`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: isBytes ? (body as string) : JSON.stringify(body),
        }),
      );
    },
    get: async (path, headers = {}) => replyOf(await fetch(`${address}${path}`, { headers })),
    open: (headers) =>
      httpRequest(`${address}/v1/changes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        agent: false,
      }),
    close: () => server.close(),
  };
}

export async function replyOf(response: Response): Promise<Reply> {
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: (isJson ? JSON.parse(text) : undefined) as Reply['json'],
  };
}

/** An upsert of an agent in our own JSON. */
export function agentChange(id: string, more: Record<string, unknown> = {}) {
  return { kind: 'agent', op: 'upsert', entity: agentEntity(id), ...more };
}

export function agentEntity(id: string, attributes: Record<string, unknown> = {}) {
  return { id, type: 'citizen', active: true, attributes };
}

/** Resolves when the condition holds; rejects when it does not within some seconds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`never: ${what}`);
    await systemClock.sleep(5);
  }
}
